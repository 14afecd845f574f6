package main

import (
	"context"
	"os/user"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/tui"
)

// Two screens on one log: what one shares the other has, with who changed it;
// the alert rules are none the wiser.
func TestQueriesAreShared(t *testing.T) {
	t.Parallel()
	log, _ := testLog(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ann, ben := newNoteBook("ann"), newNoteBook("ben")
	followed, stop := context.WithCancel(ctx)
	done := make(chan error, 2)
	for _, b := range []*noteBook{ann, ben} {
		go func() { done <- b.follow(followed, log) }()
	}
	until := func(what string, is func() bool) {
		t.Helper()
		for !is() {
			if pause(ctx) != nil {
				t.Fatalf("%s: ann has %+v, ben %+v", what, ann.Shared(), ben.Shared())
			}
		}
	}
	has := func(b *noteBook, statement, by, before string) func() bool {
		return func() bool {
			all := b.Shared()
			want := tui.SharedQuery{Name: "gaps", Statement: statement, By: by, Before: before}
			if len(all) != 1 || all[0].At == 0 {
				return false
			}
			all[0].At = 0
			return all[0] == want
		}
	}
	until("it can be shared", func() bool { return ann.Share(ctx, "gaps", "select 1") == nil })
	until("the other has it", has(ben, "select 1", "ann", ""))
	if err := ben.Share(ctx, "gaps", "select 2"); err != nil {
		t.Fatal(err)
	}
	if !has(ben, "select 2", "ben", "ann")() {
		t.Error("it does not stand at once")
	}
	until("who changed it", has(ann, "select 2", "ben", "ann"))
	if err := ann.Unshare(ctx, "gaps"); err != nil {
		t.Fatal(err)
	}
	until("it is taken back", func() bool { return len(ben.Shared()) == 0 })
	if err := ben.Share(ctx, "gaps", string(make([]byte, maxSharedQuery+1))); err == nil {
		t.Error("a huge one is shared")
	}
	stop()
	<-done
	<-done

	book, err := openRulebook(ctx, log, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	for _, r := range book.List() {
		t.Errorf("a shared query is taken for the rule %+v", r)
	}
	if err := log.Read(ctx, kafka.Rules, 0, 0, -1, func(records []kafka.Record) error {
		for i := range records {
			if _, ok := decodeNote(records[i].Key, records[i].Value); ok {
				t.Errorf("%s is taken for a note", records[i].Key)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// Over tapedeck ssh all screens run as one user of the system: what they
// change is signed with the name that goes with the key.
func TestSSHNamesWhoChanges(t *testing.T) {
	t.Setenv("USER", "alice")
	t.Setenv(roleVariable, string(analyst))
	if got := whoami(); got != "alice" {
		t.Errorf("alice's changes are signed %q", got)
	}
	if got := editor(); !strings.HasPrefix(got, "alice@") {
		t.Errorf("alice's rules are signed %q", got)
	}
	t.Setenv(roleVariable, "")
	u, err := user.Current()
	if got := whoami(); err == nil && got != u.Username {
		t.Errorf("a login of one's own is signed %q, and is %q", got, u.Username)
	}
}
