package kafka

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"
)

// space keeps the embedded broker from filling its disk. Close to its end the
// broker answers as a cluster does that has too few copies in step: producers
// wait and try again, so that nothing is lost and nothing is half written. The
// topic status is taken for longer, for the pipeline to say why it waits.
type space struct {
	measure func() (free, size uint64, err error)
	log     *slog.Logger
	full    atomic.Bool // nothing but the status is taken
}

const (
	spaceReserve = 64 << 20 // bytes that the log leaves free, at most
	spaceShare   = 20       // of a small disk the log leaves this part free
	spaceLast    = 8        // this part of the reserve is left free by the topic status, too
)

// diskFullWords say that the log takes nothing for want of room.
const diskFullWords = "the log's disk is full: free some space; feeds wait, nothing is lost meanwhile"

// freeSpace is what a process of this user can still write to dir's disk, and
// how large that is, in bytes.
func freeSpace(dir string) (free, size uint64, err error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, 0, fmt.Errorf("ask how much room %s has: %w", dir, err)
	}
	return stat.Bavail * uint64(stat.Bsize), stat.Blocks * uint64(stat.Bsize), nil
}

// reserve is what the log leaves free of a disk of this size, in bytes.
func reserve(size uint64) uint64 { return min(spaceReserve, size/spaceShare) }

// guard makes the cluster ask before it takes records. To ask costs a
// microsecond a batch; what is asked less often, a copy of a large file outruns.
func (s *space) guard(cluster *kfake.Cluster) {
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1, When: s.refuses})
}

// refuses tells whether there is no room for what r brings.
func (s *space) refuses(r kmsg.Request) bool {
	free, size, err := s.measure()
	if err != nil {
		return false // what cannot be asked is not known to be full
	}
	floor := reserve(size)
	if was := s.full.Load(); was && free >= floor+floor/4 {
		s.full.Store(false)
		s.log.Info("embedded broker: the log's disk has room again")
	} else if !was && free < floor {
		s.full.Store(true)
		s.log.Error("embedded broker: " + diskFullWords)
	}
	return s.full.Load() && (free < floor/spaceLast || !isStatus(r))
}

// isStatus tells whether a request writes to the topic status alone.
func isStatus(r kmsg.Request) bool {
	produce, ok := r.(*kmsg.ProduceRequest)
	if !ok {
		return false
	}
	for i := range produce.Topics {
		if !strings.HasSuffix(produce.Topics[i].Topic, Status) {
			return false
		}
	}
	return true
}
