package main

import (
	"io"
	"net"
	"sync"
	"testing"
)

// gate is the network between a broker and everyone else: a TCP proxy that can
// be shut, which cuts what goes through it, and opened again.
type gate struct {
	t          *testing.T
	addr, host string // where it listens, where it leads

	mu       sync.Mutex
	listener net.Listener // nil while shut
	conns    map[net.Conn]bool
	work     sync.WaitGroup
}

// newGate opens a gate from addr to host.
func newGate(t *testing.T, addr, host string) *gate {
	g := &gate{t: t, addr: addr, host: host, conns: map[net.Conn]bool{}}
	g.open()
	t.Cleanup(func() { g.shut(); g.work.Wait() })
	return g
}

func (g *gate) open() {
	l, err := net.Listen("tcp", g.addr)
	if err != nil {
		g.t.Errorf("open the gate: %v", err)
		return
	}
	g.mu.Lock()
	g.listener = l
	g.mu.Unlock()
	g.work.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			g.work.Go(func() { g.pass(l, in) })
		}
	})
}

// pass carries one connection until one side or the gate closes it.
func (g *gate) pass(l net.Listener, in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", g.host)
	if err != nil {
		return
	}
	defer out.Close()
	g.mu.Lock()
	through := g.listener == l
	if through {
		g.conns[in], g.conns[out] = true, true
	}
	g.mu.Unlock()
	if !through {
		return
	}
	defer func() {
		g.mu.Lock()
		delete(g.conns, in)
		delete(g.conns, out)
		g.mu.Unlock()
	}()
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(in, out)
		in.Close()
	}()
	_, _ = io.Copy(out, in)
	out.Close()
	<-back
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener == nil {
		return
	}
	g.listener.Close()
	g.listener = nil
	for c := range g.conns {
		c.Close()
	}
}
