package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"tapedeck/ml"
	"tapedeck/ml/sagemaker"
)

// endpoint is where models are asked: a server inside this process, reached
// through the AWS SDK like one of SageMaker's, over a socket that only this user
// can open; or, for the champion, the endpoint that is set.
type endpoint struct {
	config Config
	server *sagemaker.Server
	dir    string // of the socket
	cancel context.CancelFunc
	ended  chan error
}

// openEndpoint starts the server; it has no model yet.
func openEndpoint(c Config, logger *slog.Logger) (*endpoint, error) {
	dir, err := os.MkdirTemp("", "tapedeck-") // readable by this user alone
	if err != nil {
		return nil, fmt.Errorf("open the models' endpoint: %w", err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "endpoint"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the models' endpoint: %w", err), os.RemoveAll(dir))
	}
	ctx, cancel := context.WithCancel(context.Background())
	e := &endpoint{config: c, dir: dir, cancel: cancel, ended: make(chan error, 1),
		server: sagemaker.NewServer(sagemaker.ServerConfig{Log: logger, Timeout: c.Predict.Timeout})}
	go func() { e.ended <- e.server.Serve(ctx, l) }()
	return e, nil
}

func (e *endpoint) close() error {
	e.cancel()
	err := <-e.ended
	return errors.Join(err, os.RemoveAll(e.dir))
}

// predictor is how a model is asked. The champion is asked at the endpoint that
// is set, if one is.
func (e *endpoint) predictor(m *ml.Model, champion bool) (ml.Predictor, error) {
	about, p := m.Manifest(), e.config.Predict
	if champion && p.Endpoint != "" {
		return sagemaker.NewClient(context.Background(), sagemaker.ClientConfig{Endpoint: p.Endpoint, Region: p.Region, BaseURL: p.URL,
			Horizons: about.Horizons, Timeout: p.Timeout})
	}
	name := about.Name + "-" + about.Version
	e.server.Set(name, sagemaker.Own(m))
	return sagemaker.NewClient(context.Background(), sagemaker.ClientConfig{Endpoint: name, Region: "us-east-1", BaseURL: "http://endpoint",
		Dial: e.dial, Horizons: about.Horizons, Timeout: p.Timeout})
}

func (e *endpoint) socket() string { return filepath.Join(e.dir, "endpoint") }

func (e *endpoint) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", e.socket())
}

// forget no longer serves a model.
func (e *endpoint) forget(about *ml.Manifest) { e.server.Remove(about.Name + "-" + about.Version) }
