package kafka

import (
	"testing"
)

func openBroker(t testing.TB, dir string) *Broker {
	t.Helper()
	b, err := OpenBroker(dir, BrokerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEmbeddedLog(t *testing.T) {
	b := openBroker(t, t.TempDir())
	defer b.Close()
	runLogContract(t, testLog{config: func() Config { return b.Config(DefaultConfig()) }})
}
