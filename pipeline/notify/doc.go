// Package notify takes alerts to people and programs: to an SNS topic, a
// command, a webhook or a file. A Mailer gathers what belongs together into
// one message, keeps to a rate and tries again until its target has answered;
// Silences say what is not to be sent.
//
// Deliver returns when the target has answered, and not before: who notes that
// then has a ledger that is at least once and never skips. The package keeps
// nothing across a restart, reads no log and decides no rule.
package notify
