package notify

import (
	"os"
	"strings"
	"testing"

	"tapedeck/pipeline/market"
)

// The mails in the manual are those that are sent.
func TestTheMailsInTheManual(t *testing.T) {
	manual, err := os.ReadFile("../../docs/aws.md")
	if err != nil {
		t.Fatal(err)
	}
	at, _ := market.ParseTime("2026-11-20T15:04:07Z")
	one := market.Alert{ID: "7d1f0c52a9b3e8647d1f0c52a9b3e864", Symbol: "NVDA", Time: at, Rule: "price drop", Revision: 4, Severity: market.Critical, State: market.Firing,
		Value: -0.034, Threshold: -0.03, Message: "NVDA fell 3.4 % in 5 minutes to 171.20"}
	three := []market.Alert{one, one, one}
	for i, other := range []struct{ symbol, message string }{{"NVDA", one.Message}, {"AMD", "AMD fell 3.1 % in 5 minutes to 142.88"}, {"INTC", "INTC fell 3.0 % in 5 minutes to 38.41"}} {
		three[i].ID, three[i].Symbol, three[i].Message, three[i].Time = one.ID[i:], other.symbol, other.message, at+market.Time(i)*1e6
	}
	for _, alerts := range [][]market.Alert{{one}, three} {
		m := NewMessage(alerts)
		mail := "Subject: " + asciiSubject(m.Subject) + "\n\n" + strings.TrimRight(snsText(m.Text), "\n") + "\n"
		if !strings.Contains(string(manual), mail) {
			t.Errorf("docs/aws.md does not show\n%s", mail)
		}
	}
}
