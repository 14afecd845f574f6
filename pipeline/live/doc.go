// Package live keeps the newest state of every symbol, of the alerts, of the
// predictions and of the pipeline's stages, so that a screen can read them at
// its own pace.
//
// Writers never wait for a reader longer than it takes to copy the changed
// rows of one shard (microseconds); what was not read in time is overwritten:
// newest wins. A reader takes one Snapshot a frame, which copies only what
// changed since its last. Nothing here is durable, and nothing here decides:
// bars and alerts come from the log, see packages bars and alert.
package live
