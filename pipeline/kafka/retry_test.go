package kafka

import (
	"bufio"
	"errors"
	"hash/crc32"
	"os"
	"os/exec"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	saslscram "github.com/twmb/franz-go/pkg/sasl/scram"
)

// servedBroker is a broker in a process of its own.
type servedBroker struct {
	t    *testing.T
	dir  string
	addr string
	cmd  *exec.Cmd
	stop func() error // asks it to close
}

const servedPassword = "of the test"

func serveBroker(t *testing.T, dir string) *servedBroker {
	s := &servedBroker{t: t, dir: dir}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *servedBroker) start() {
	s.t.Helper()
	s.cmd = exec.Command(os.Args[0])
	s.cmd.Env = append(os.Environ(), childDir+"="+s.dir, childTask+"=serve", childPassword+"="+servedPassword)
	s.cmd.Stderr = os.Stderr
	in, err1 := s.cmd.StdinPipe()
	out, err2 := s.cmd.StdoutPipe()
	if err := errors.Join(err1, err2, s.cmd.Start()); err != nil {
		s.t.Fatal(err)
	}
	s.stop = in.Close
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		s.t.Fatal("the broker's process does not start")
	}
	s.addr = lines.Text()
}

func (s *servedBroker) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *servedBroker) close() {
	s.t.Helper()
	if err := errors.Join(s.stop(), s.cmd.Wait()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *servedBroker) config() Config {
	return EmbeddedConfig(DefaultConfig(), s.addr, "tapedeck", servedPassword)
}

// rawProducer sends batches of its own making: what a client does whose answer was lost.
type rawProducer struct {
	t     *testing.T
	topic string
	id    int64
	epoch int16
}

func (r *rawProducer) client(s *servedBroker) *kgo.Client {
	r.t.Helper()
	cl, err := kgo.NewClient(kgo.MaxVersions(kversion.V2_8_0()), kgo.SeedBrokers(s.addr), kgo.SASL(saslscram.Auth{User: "tapedeck", Pass: servedPassword}.AsSha256Mechanism()))
	if err != nil {
		r.t.Fatal(err)
	}
	return cl
}

func (r *rawProducer) init(s *servedBroker) {
	r.t.Helper()
	cl := r.client(s)
	defer cl.Close()
	req := kmsg.NewPtrInitProducerIDRequest()
	req.ProducerID, req.ProducerEpoch = -1, -1
	resp, err := req.RequestWith(r.t.Context(), cl)
	if err = errors.Join(err, kerr.ErrorForCode(resp.ErrorCode)); err != nil {
		r.t.Fatal(err)
	}
	r.id, r.epoch = resp.ProducerID, resp.ProducerEpoch
}

// rawBatch is a batch of n records as it crosses the wire and lies on disk.
func rawBatch(offset, producer int64, epoch int16, sequence, n int32) []byte {
	var records []byte
	for i := range n {
		rec := kmsg.Record{OffsetDelta: i, Value: []byte{byte(sequence + i)}}
		rec.Length = int32(len(rec.AppendTo(nil)) - 1)
		records = rec.AppendTo(records)
	}
	b := kmsg.RecordBatch{
		FirstOffset: offset, PartitionLeaderEpoch: -1, Magic: 2, LastOffsetDelta: n - 1, FirstTimestamp: 1, MaxTimestamp: 1,
		ProducerID: producer, ProducerEpoch: epoch, FirstSequence: sequence, NumRecords: n, Records: records,
	}
	b.Length = int32(len(b.AppendTo(nil)) - 12)
	b.CRC = int32(crc32.Checksum(b.AppendTo(nil)[21:], castagnoli))
	return b.AppendTo(nil)
}

// send sends n records from a sequence on and returns the offset of the first.
func (r *rawProducer) send(s *servedBroker, sequence, n int32) (int64, error) {
	r.t.Helper()
	cl := r.client(s)
	defer cl.Close()
	part := kmsg.NewProduceRequestTopicPartition()
	part.Records = rawBatch(0, r.id, r.epoch, sequence, n)
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.Partitions = r.topic, []kmsg.ProduceRequestTopicPartition{part}
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis, req.Topics = -1, 1000, []kmsg.ProduceRequestTopic{topic}
	resp, err := req.RequestWith(r.t.Context(), cl)
	if err != nil {
		r.t.Fatal(err)
	}
	p := resp.Topics[0].Partitions[0]
	return p.BaseOffset, kerr.ErrorForCode(p.ErrorCode)
}

// TestRetryAfterKill: a batch whose answer was lost in the broker's death is
// not written a second time when its producer sends it again, and the producer
// goes on, whether or not the broker was closed well before.
func TestRetryAfterKill(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(*servedBroker){
		"killed":              func(*servedBroker) {},
		"closed, then killed": func(s *servedBroker) { s.close(); s.start() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveBroker(t, t.TempDir())
			cfg := s.config()
			ensure(t, openClient(t, cfg))
			p := &rawProducer{t: t, topic: cfg.Prefix + Ticks}
			p.init(s)
			send := func(sequence int32, want int64) {
				t.Helper()
				at, err := p.send(s, sequence, 10)
				if err != nil || at != want {
					t.Errorf("sequence %d: at offset %d, want %d; %v", sequence, at, want, err)
				}
			}
			send(0, 0)
			before(s)
			for i := int32(1); i < 8; i++ {
				send(10*i, int64(10*i))
			}
			s.kill()
			s.start()
			send(70, 70) // again
			send(50, 50)
			send(80, 80)
			if _, err := p.send(s, 100, 10); !errors.Is(err, kerr.OutOfOrderSequenceNumber) {
				t.Errorf("a batch after a missing one: %v", err)
			}
		})
	}
}
