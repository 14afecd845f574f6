package kafka

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"
)

// BrokerConfig is what the embedded broker can be told. The zero value works.
type BrokerConfig struct {
	User     string       // SASL user; empty is "tapedeck"
	Password string       // SASL password; empty is a new random one at each opening
	Sync     bool         // fsync every batch: survives a power cut as well as a crash, at a half to a quarter of the speed
	Log      *slog.Logger // nil discards

	measure func() (free, size uint64, err error) // tests': how full the disk is; nil asks the system
}

// Broker is a Kafka-protocol broker inside this process with its data on disk.
// What it acknowledged survives the death of the process (not, without
// BrokerConfig.Sync, of the machine). Before its disk is full it takes nothing
// more, and producers wait: see Client.Trouble.
type Broker struct {
	addr, user, password string
	dir                  string
	cluster              *kfake.Cluster
	lock                 *fileLock
}

// scram is the mechanism of the embedded broker's listener: the password
// itself never crosses the loopback interface nor lies in the data directory.
const scram = "SCRAM-SHA-256"

// OpenBroker opens the log in dir, making it when it is not there, and listens
// on a loopback port: the one it had before where that is free, so that clients
// find it again, else another. ErrLocked: another process has dir open (see
// LockedBy). A log whose end was torn by a crash is cut back to its last whole
// batch, which is always past what was acknowledged.
func OpenBroker(dir string, cfg BrokerConfig) (*Broker, error) {
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make log directory: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("open embedded log: %w", err)
	}
	b := &Broker{dir: dir, user: cfg.User, password: cfg.Password, lock: lock}
	if b.user == "" {
		b.user = "tapedeck"
	}
	if b.password == "" {
		b.password = rand.Text()
	}
	if err := b.open(dir, cfg, log); err != nil {
		return nil, errors.Join(fmt.Errorf("open embedded log in %s: %w; if the files are damaged beyond repair, "+
			"move the folder away: a new log starts, and the lake keeps what it has", dir, err), lock.release())
	}
	return b, nil
}

func (b *Broker) open(dir string, cfg BrokerConfig, log *slog.Logger) error {
	data := filepath.Join(dir, "data")
	// The broker keeps its users on disk and would prefer them to ours.
	if err := os.Remove(filepath.Join(data, "sasl.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := restoreSequences(data); err != nil {
		return err
	}
	portFile := filepath.Join(dir, "port")
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID(rand.Text()), // kept on disk from the first opening on
		kfake.DataDir(data),
		kfake.EnableSASL(),
		kfake.Superuser(scram, b.user, b.password),
		kfake.ListenFn(func(network, address string) (net.Listener, error) {
			if last, err := os.ReadFile(portFile); err == nil {
				if l, err := net.Listen(network, net.JoinHostPort("127.0.0.1", strings.TrimSpace(string(last)))); err == nil {
					return l, nil
				}
			}
			return net.Listen(network, address)
		}),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": strconv.Itoa(StateMaxBytes)}),
		kfake.GroupMinSessionTimeout(minSessionTimeout),
		kfake.WithLogger(brokerLog{log}),
	}
	if cfg.Sync {
		opts = append(opts, kfake.SyncWrites())
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return err
	}
	room := &space{measure: cfg.measure, log: log}
	if room.measure == nil {
		room.measure = func() (uint64, uint64, error) { return freeSpace(data) }
	}
	room.guard(cluster)
	b.cluster, b.addr = cluster, cluster.ListenAddrs()[0]
	_, port, err := net.SplitHostPort(b.addr)
	if err == nil {
		err = os.WriteFile(portFile, []byte(port+"\n"), 0o600)
	}
	if err != nil {
		cluster.Close()
		return err
	}
	return nil
}

// Addr is where the broker listens, host:port.
func (b *Broker) Addr() string { return b.addr }

// User is the only user that may connect.
func (b *Broker) User() string { return b.user }

// Password is that user's. Whoever can read it can read and write the log:
// keep it in a file that only the pipeline's users can read.
func (b *Broker) Password() string { return b.password }

// Config is cfg pointed at this broker.
func (b *Broker) Config(cfg Config) Config {
	cfg = EmbeddedConfig(cfg, b.addr, b.user, b.password)
	cfg.Disk = b.dir
	return cfg
}

// EmbeddedConfig is cfg pointed at an embedded broker, of this process or of
// another one on this machine.
func EmbeddedConfig(cfg Config, addr, user, password string) Config {
	cfg.Brokers = []string{addr}
	cfg.Embedded = true
	cfg.Replication = 1
	cfg.Security = Security{Protocol: "SASL_PLAINTEXT", Mechanism: scram, Username: user, Password: password}
	return cfg
}

// Close writes everything to disk and frees the directory. Clients that are
// still connected lose their connection.
func (b *Broker) Close() error {
	b.cluster.Close()
	return b.lock.release()
}

// brokerLog turns the broker's log into ours.
type brokerLog struct{ log *slog.Logger }

func (l brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.log.Error("embedded broker: " + fmt.Sprintf(format, args...))
	case kfake.LogLevelWarn:
		l.log.Warn("embedded broker: " + fmt.Sprintf(format, args...))
	}
}
