package kafka

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Statistics are what librdkafka counts about one of its clients, since that
// was opened. They are renewed each ten seconds.
type Statistics struct {
	Client        string  // the group's name; producer, producer 2 and so on
	Sent          int64   // messages
	SentBytes     int64   // on the wire, requests and all
	Received      int64   // messages
	ReceivedBytes int64   // on the wire
	Queued        int64   // messages that wait to be sent
	Requests      int64   // to brokers
	Retries       int64   // of requests
	Errors        int64   // of sending and receiving
	Timeouts      int64   // of requests
	Connects      int64   // tries to connect to a broker
	RoundTrip     float64 // seconds within which 99 % of the slowest broker's answers came lately; 0 while none did
}

// statisticsEvery is how often librdkafka is asked to count.
const statisticsEvery = 10 * time.Second

// rawStatistics is the part that is used of librdkafka's STATISTICS.md.
type rawStatistics struct {
	Messages      int64 `json:"txmsgs"`
	Sent          int64 `json:"tx_bytes"`
	MessagesRead  int64 `json:"rxmsgs"`
	Read          int64 `json:"rx_bytes"`
	Queued        int64 `json:"msg_cnt"`
	Requests      int64 `json:"tx"`
	BrokersByName map[string]struct {
		Retries  int64 `json:"txretries"`
		Unsent   int64 `json:"txerrs"`
		Unread   int64 `json:"rxerrs"`
		Timeouts int64 `json:"req_timeouts"`
		Connects int64 `json:"connects"`
		Trip     struct {
			P99   int64 `json:"p99"` // µs
			Count int64 `json:"cnt"`
		} `json:"rtt"`
	} `json:"brokers"`
}

// parseStatistics reads librdkafka's JSON about the client of this name.
func parseStatistics(client string, text []byte) (Statistics, error) {
	var raw rawStatistics
	if err := json.Unmarshal(text, &raw); err != nil {
		return Statistics{}, err
	}
	s := Statistics{Client: client, Sent: raw.Messages, SentBytes: raw.Sent, Received: raw.MessagesRead, ReceivedBytes: raw.Read,
		Queued: raw.Queued, Requests: raw.Requests}
	for _, b := range raw.BrokersByName {
		s.Retries += b.Retries
		s.Errors += b.Unsent + b.Unread
		s.Timeouts += b.Timeouts
		s.Connects += b.Connects
		if b.Trip.Count > 0 {
			s.RoundTrip = max(s.RoundTrip, float64(b.Trip.P99)/1e6)
		}
	}
	return s, nil
}

// Statistics are those of this client's producers and groups, by name.
func (c *Client) Statistics() []Statistics {
	var all []Statistics
	c.statistics.Range(func(_, s any) bool {
		all = append(all, s.(Statistics))
		return true
	})
	slices.SortFunc(all, func(a, b Statistics) int {
		return cmp.Or(strings.Compare(a.Client, b.Client), cmp.Compare(a.Sent, b.Sent))
	})
	return all
}

// count takes over what a client of librdkafka says.
func (c *Client) count(client string, text []byte) {
	s, err := parseStatistics(client, text)
	if err != nil {
		c.log.Debug("kafka: statistics cannot be read", "client", client, "err", err)
		return
	}
	c.statistics.Store(client, s)
}
