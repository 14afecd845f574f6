package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/live"
	"tapedeck/store/lake"
)

// monitor serves the state of this process's stages to machines: metrics in
// Prometheus's format, and whether it lives and works.
type monitor struct {
	server  *http.Server
	serving sync.WaitGroup
	log     monitoredLog
	lake    *lake.Lake
	started time.Time

	mu     sync.Mutex
	stages map[string]live.Status
	seen   map[string]time.Time // when each said so, by a clock that nobody sets
}

// monitoredLog is what the monitor asks of the log.
type monitoredLog interface {
	Trouble() string
	Statistics() []kafka.Statistics
}

// listenMonitor binds the address at once, so that a wrong one is an error now.
func listenMonitor(address string, withPprof bool, log *kafka.Client, l *lake.Lake, logger *slog.Logger) (*monitor, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("http.listen: %w; choose a free address such as 127.0.0.1:9464", err)
	}
	m := &monitor{log: log, lake: l, stages: map[string]live.Status{}, seen: map[string]time.Time{}, started: time.Now()}
	registry := prometheus.NewRegistry()
	registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", m.ready)
	if withPprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	m.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	m.serving.Go(func() {
		if err := m.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("metrics are no longer served", "error", err)
		}
	})
	logger.Info("metrics are served", "address", listener.Addr())
	return m, nil
}

func (m *monitor) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if m.server.Shutdown(ctx) != nil {
		m.server.Close()
	}
	m.serving.Wait()
}

// watch takes over the newest state of a stage.
func (m *monitor) watch(s live.Status) {
	m.mu.Lock()
	m.stages[s.Stage], m.seen[s.Stage] = s, time.Now()
	m.mu.Unlock()
}

// staleAfter is the age at which a stage's state no longer counts: it is
// written once a second.
const staleAfter = 10 * time.Second

// ready answers 503 and the reason in words while a stage does not work.
func (m *monitor) ready(w http.ResponseWriter, _ *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var reasons []string
	if len(m.stages) == 0 {
		reasons = append(reasons, "starting")
	}
	for name, s := range m.stages {
		switch {
		case time.Since(m.seen[name]) > staleAfter:
			reasons = append(reasons, name+": silent for "+time.Since(m.seen[name]).Round(time.Second).String())
		case s.Level >= live.Trouble:
			reasons = append(reasons, name+": "+s.Text)
		}
	}
	if len(reasons) == 0 {
		fmt.Fprintln(w, "ready")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	for _, reason := range reasons {
		fmt.Fprintln(w, reason)
	}
}

var (
	stageLabels = []string{"stage", "instance"}
	modelLabels = []string{"instance", "model"}
	kafkaLabels = []string{"client"}

	recordsTotal    = prometheus.NewDesc("tapedeck_stage_records_total", "Records that the stage has read.", stageLabels, nil)
	errorsTotal     = prometheus.NewDesc("tapedeck_stage_errors_total", "Errors that the stage met and went on from.", stageLabels, nil)
	lagRecords      = prometheus.NewDesc("tapedeck_stage_lag_records", "Records in the log that the stage has not read yet.", stageLabels, nil)
	lagSeconds      = prometheus.NewDesc("tapedeck_stage_lag_seconds", "Age of the oldest record that the stage has not read yet.", stageLabels, nil)
	writtenTotal    = prometheus.NewDesc("tapedeck_stage_written_total", "Records that the stage has written.", stageLabels, nil)
	rebalancesTotal = prometheus.NewDesc("tapedeck_stage_rebalances_total", "Times that partitions moved to this process or away from it.", stageLabels, nil)
	alertsDesc      = prometheus.NewDesc("tapedeck_alerts_total", "Alerts raised and resolved, by severity.", []string{"instance", "severity"}, nil)
	flushesTotal    = prometheus.NewDesc("tapedeck_lake_flushes_total", "Writes to the lake.", stageLabels, nil)
	flushedTotal    = prometheus.NewDesc("tapedeck_lake_flushed_rows_total", "Rows written to the lake.", stageLabels, nil)
	endpointSeconds = prometheus.NewDesc("tapedeck_endpoint_latency_seconds", "How long a model's endpoint took to answer; quantiles of the newest 10,000 answers.", modelLabels, nil)
	endpointFailed  = prometheus.NewDesc("tapedeck_endpoint_failures_total", "Questions that a model's endpoint did not answer.", modelLabels, nil)
	endpointUp      = prometheus.NewDesc("tapedeck_endpoint_up", "1 while a model's endpoint answers.", modelLabels, nil)
	dropsTotal      = prometheus.NewDesc("tapedeck_stage_drops_total", "Records that a newest-wins hand-over left out.", stageLabels, nil)
	memoryBytes     = prometheus.NewDesc("tapedeck_stage_memory_bytes", "Memory of the process that the stage runs in.", stageLabels, nil)
	healthy         = prometheus.NewDesc("tapedeck_stage_healthy", "1 while the stage works, 0 while it is in trouble.", stageLabels, nil)
	reported        = prometheus.NewDesc("tapedeck_stage_reported_timestamp_seconds", "When the stage last said how it does.", stageLabels, nil)
	deadLettersDesc = prometheus.NewDesc("tapedeck_dead_letters_total", "Messages that could not be used, by reason.", []string{"instance", "reason"}, nil)
	flushTime       = prometheus.NewDesc("tapedeck_lake_flush_timestamp_seconds", "When the lake was last written to.", stageLabels, nil)
	flushRows       = prometheus.NewDesc("tapedeck_lake_flush_rows", "Rows of the last write to the lake.", stageLabels, nil)
	s3Requests      = prometheus.NewDesc("tapedeck_s3_requests_total", "Tries of requests to S3, by the class that they are billed in: put (PUT, COPY, POST, LIST) or get.", []string{"class"}, nil)
	s3Failures      = prometheus.NewDesc("tapedeck_s3_failures_total", "Of them those without an answer, or with one from 500 up.", nil, nil)
	s3Bytes         = prometheus.NewDesc("tapedeck_s3_bytes_total", "Bytes to and from S3.", []string{"direction"}, nil)
	kafkaMessages   = prometheus.NewDesc("tapedeck_kafka_messages_total", "Messages to and from the log, by librdkafka's count.", []string{"client", "direction"}, nil)
	kafkaBytes      = prometheus.NewDesc("tapedeck_kafka_bytes_total", "Bytes to and from the log on the wire.", []string{"client", "direction"}, nil)
	kafkaRequests   = prometheus.NewDesc("tapedeck_kafka_requests_total", "Requests to brokers.", kafkaLabels, nil)
	kafkaRetries    = prometheus.NewDesc("tapedeck_kafka_retries_total", "Requests to brokers that were sent again.", kafkaLabels, nil)
	kafkaErrors     = prometheus.NewDesc("tapedeck_kafka_errors_total", "Errors of sending to brokers and reading from them.", kafkaLabels, nil)
	kafkaTimeouts   = prometheus.NewDesc("tapedeck_kafka_timeouts_total", "Requests that no broker answered in time.", kafkaLabels, nil)
	kafkaConnects   = prometheus.NewDesc("tapedeck_kafka_connects_total", "Tries to connect to a broker.", kafkaLabels, nil)
	kafkaQueued     = prometheus.NewDesc("tapedeck_kafka_queued_messages", "Messages that wait to be sent.", kafkaLabels, nil)
	kafkaRoundTrip  = prometheus.NewDesc("tapedeck_kafka_round_trip_seconds", "99 % of the slowest broker's answers came within it in the last ten seconds, a group's with the broker's wait for records; 0 while none did.", kafkaLabels, nil)
	buildInfo       = prometheus.NewDesc("tapedeck_build_info", "1, with the version that runs.", []string{"version"}, nil)
	logConnected    = prometheus.NewDesc("tapedeck_log_connected", "1 while the log answers.", nil, nil)
)

// Describe names no metric: which there are depends on the stages that run.
func (m *monitor) Describe(chan<- *prometheus.Desc) {}

// Collect hands over the newest state of every stage.
func (m *monitor) Collect(out chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	truth := map[bool]float64{true: 1}
	gauge(logConnected, truth[m.log.Trouble() == ""])
	gauge(buildInfo, 1, version)
	if m.lake != nil {
		r := m.lake.Requests()
		counter(s3Requests, float64(r.Puts), "put")
		counter(s3Requests, float64(r.Gets), "get")
		counter(s3Failures, float64(r.Failed))
		counter(s3Bytes, float64(r.Sent), "out")
		counter(s3Bytes, float64(r.Read), "in")
	}
	for _, s := range m.log.Statistics() {
		counter(kafkaMessages, float64(s.Sent), s.Client, "out")
		counter(kafkaMessages, float64(s.Received), s.Client, "in")
		counter(kafkaBytes, float64(s.SentBytes), s.Client, "out")
		counter(kafkaBytes, float64(s.ReceivedBytes), s.Client, "in")
		counter(kafkaRequests, float64(s.Requests), s.Client)
		counter(kafkaRetries, float64(s.Retries), s.Client)
		counter(kafkaErrors, float64(s.Errors), s.Client)
		counter(kafkaTimeouts, float64(s.Timeouts), s.Client)
		counter(kafkaConnects, float64(s.Connects), s.Client)
		gauge(kafkaQueued, float64(s.Queued), s.Client)
		gauge(kafkaRoundTrip, s.RoundTrip, s.Client)
	}
	for _, s := range m.stages {
		counter(recordsTotal, float64(s.Total), s.Stage, s.Instance)
		counter(errorsTotal, float64(s.Errors), s.Stage, s.Instance)
		gauge(lagRecords, float64(s.Lag), s.Stage, s.Instance)
		gauge(lagSeconds, s.LagAge, s.Stage, s.Instance)
		counter(writtenTotal, float64(s.Written), s.Stage, s.Instance)
		counter(rebalancesTotal, float64(s.Moves), s.Stage, s.Instance)
		for severity, n := range s.Alerts {
			counter(alertsDesc, float64(n), s.Instance, severity)
		}
		for i := range s.Models { // of the stage predict
			model := &s.Models[i]
			out <- prometheus.MustNewConstSummary(endpointSeconds, uint64(max(0, model.Calls-model.Failures)), model.Waited,
				map[float64]float64{0.5: model.Latency.P50, 0.99: model.Latency.P99}, s.Instance, model.Name)
			counter(endpointFailed, float64(model.Failures), s.Instance, model.Name)
			gauge(endpointUp, truth[!model.Down], s.Instance, model.Name)
		}
		counter(dropsTotal, float64(s.Drops), s.Stage, s.Instance)
		if s.Memory > 0 {
			gauge(memoryBytes, float64(s.Memory), s.Stage, s.Instance)
		}
		gauge(healthy, truth[s.Level < live.Trouble], s.Stage, s.Instance)
		gauge(reported, float64(s.Time)/1e6, s.Stage, s.Instance)
		for reason, n := range s.Reasons {
			counter(deadLettersDesc, float64(n), s.Instance, reason)
		}
		if s.Flush != nil {
			gauge(flushTime, float64(s.Flush.Time)/1e6, s.Stage, s.Instance)
			gauge(flushRows, float64(s.Flush.Rows), s.Stage, s.Instance)
			counter(flushesTotal, float64(s.Flush.Count), s.Stage, s.Instance)
			counter(flushedTotal, float64(s.Flush.Total), s.Stage, s.Instance)
		}
	}
}
