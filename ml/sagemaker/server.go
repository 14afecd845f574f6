package sagemaker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// ServerConfig is how a server serves. The zero value works.
type ServerConfig struct {
	MaxBody    int64         // bytes of a question; 0 is 32 MB
	Timeout    time.Duration // for an answer; 0 is 60 s, as SageMaker allows
	Concurrent int           // questions worked on at once; 0 is 4. More wait their turn.
	ModelDir   string        // below which models may be loaded over /models; "" allows none
	Log        *slog.Logger  // nil discards
}

// Server is an http.Handler that speaks what SageMaker asks of a container:
//
//	GET  /ping                              200 when a model is there
//	POST /invocations                       the only, or the default, model
//	GET  /models                            list
//	POST /models                            {"model_name": …, "url": …} loads one
//	GET, DELETE /models/{name}              describes, unloads
//	POST /models/{name}/invoke
//	POST /endpoints/{name}/invocations      the runtime's own path
//
// Answers to what is wrong are JSON: {"error": "…"}. It is safe for concurrent
// use.
type Server struct {
	config ServerConfig
	mux    *http.ServeMux
	turns  chan struct{}

	mu       sync.RWMutex
	models   map[string]Model
	standard string // model of /invocations
}

// NewServer serves no model yet.
func NewServer(c ServerConfig) *Server {
	c.MaxBody = cmp.Or(c.MaxBody, 32<<20)
	c.Timeout = cmp.Or(c.Timeout, time.Minute)
	c.Concurrent = cmp.Or(c.Concurrent, 4)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{config: c, mux: http.NewServeMux(), turns: make(chan struct{}, c.Concurrent), models: map[string]Model{}}
	s.mux.HandleFunc("GET /ping", s.ping)
	s.mux.HandleFunc("POST /invocations", func(w http.ResponseWriter, r *http.Request) { s.invoke(w, r, "", fail) })
	s.mux.HandleFunc("POST /endpoints/{name}/invocations", func(w http.ResponseWriter, r *http.Request) { s.invoke(w, r, r.PathValue("name"), failRuntime) })
	s.mux.HandleFunc("POST /models/{name}/invoke", func(w http.ResponseWriter, r *http.Request) { s.invoke(w, r, r.PathValue("name"), fail) })
	s.mux.HandleFunc("GET /models", s.list)
	s.mux.HandleFunc("POST /models", s.load)
	s.mux.HandleFunc("GET /models/{name}", s.describe)
	s.mux.HandleFunc("DELETE /models/{name}", s.unload)
	return s
}

// Set serves a model under a name, in the place of any before. The first is
// that of /invocations.
func (s *Server) Set(name string, m Model) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.models[name] = m
	if s.standard == "" {
		s.standard = name
	}
}

// Remove no longer serves a name.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.models, name)
	if s.standard == name {
		s.standard = ""
	}
}

func (s *Server) model(name string) (Model, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if name == "" {
		name = s.standard
	}
	m, ok := s.models[name]
	return m, ok
}

// ServeHTTP answers one request. A model that panics is an answer of 500.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			s.config.Log.Error("endpoint", "path", r.URL.Path, "panic", p)
			fail(w, http.StatusInternalServerError, "the model failed")
		}
	}()
	s.mux.ServeHTTP(w, r)
}

func (s *Server) ping(w http.ResponseWriter, _ *http.Request) {
	if _, ok := s.model(""); !ok {
		fail(w, http.StatusServiceUnavailable, "no model is loaded")
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (s *Server) invoke(w http.ResponseWriter, r *http.Request, name string, fail failure) {
	model, ok := s.model(name)
	if !ok {
		status := http.StatusNotFound
		if name == "" {
			status = http.StatusServiceUnavailable
		}
		fail(w, status, fmt.Sprintf("model %.60q is not here", name))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.config.Timeout)
	defer cancel()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.config.MaxBody))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes; send fewer instances at once", large.Limit))
			return
		}
		fail(w, http.StatusBadRequest, "the body ends too early")
		return
	}
	d := model.Describe()
	question, err := decode(r.Header.Get("Content-Type"), body, d.Missing)
	switch {
	case errors.Is(err, errMediaType):
		fail(w, http.StatusUnsupportedMediaType, err.Error())
		return
	case err != nil:
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	case <-ctx.Done():
		fail(w, http.StatusServiceUnavailable, "too many questions at once")
		return
	}
	answer := matrix{question.rows, d.Outputs, make([]float32, question.rows*d.Outputs)}
	if question.rows > 0 {
		err = model.Invoke(ctx, question.rows, question.width, question.values, answer.values)
	}
	switch {
	case errors.Is(err, ErrInput):
		fail(w, http.StatusBadRequest, err.Error())
		return
	case err != nil:
		s.config.Log.Error("endpoint", "model", d.Name, "error", err)
		fail(w, http.StatusInternalServerError, "the model failed: "+err.Error())
		return
	}
	out, kind := encode(r.Header.Get("Accept"), r.Header.Get("Content-Type"), answer)
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Amzn-Invoked-Production-Variant", d.Name)
	w.Write(out)
}

// failure answers with what is wrong.
type failure func(w http.ResponseWriter, status int, text string)

// fail answers with what is wrong.
func fail(w http.ResponseWriter, status int, text string) {
	reply(w, status, map[string]string{"error": text})
}

// failRuntime answers as SageMaker's runtime does: a missing endpoint is a
// ValidationError, and what the container says is the inside of a ModelError.
func failRuntime(w http.ResponseWriter, status int, text string) {
	kind, outer := "ModelError", http.StatusFailedDependency
	if status == http.StatusNotFound {
		kind, outer = "ValidationError", http.StatusBadRequest
	}
	w.Header().Set("X-Amzn-ErrorType", kind)
	reply(w, outer, map[string]any{"Message": text, "OriginalMessage": text, "OriginalStatusCode": status})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", JSON)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the connection is gone: nobody to tell
}

// listed is a model as /models shows it.
type listed struct {
	Name string `json:"modelName"`
	URL  string `json:"modelUrl,omitempty"`
	Description
}

func (s *Server) list(w http.ResponseWriter, _ *http.Request) {
	s.mu.RLock()
	models := []listed{}
	for _, name := range slices.Sorted(maps.Keys(s.models)) {
		models = append(models, listed{Name: name, Description: s.models[name].Describe()})
	}
	s.mu.RUnlock()
	reply(w, http.StatusOK, map[string]any{"models": models})
}

func (s *Server) describe(w http.ResponseWriter, r *http.Request) {
	m, ok := s.model(r.PathValue("name"))
	if !ok {
		fail(w, http.StatusNotFound, fmt.Sprintf("model %.60q is not here", r.PathValue("name")))
		return
	}
	reply(w, http.StatusOK, listed{Name: r.PathValue("name"), Description: m.Describe()})
}

func (s *Server) unload(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.model(r.PathValue("name")); !ok {
		fail(w, http.StatusNotFound, fmt.Sprintf("model %.60q is not here", r.PathValue("name")))
		return
	}
	s.Remove(r.PathValue("name"))
	w.WriteHeader(http.StatusOK)
}

var modelName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// load opens a model of the directory that models may be loaded from.
func (s *Server) load(w http.ResponseWriter, r *http.Request) {
	var question struct {
		Name string `json:"model_name"`
		URL  string `json:"url"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&question); err != nil {
		fail(w, http.StatusBadRequest, `want {"model_name": NAME, "url": PATH}`)
		return
	}
	switch _, there := s.model(question.Name); {
	case !modelName.MatchString(question.Name):
		fail(w, http.StatusBadRequest, "model_name: letters, digits, dots, dashes and underscores")
		return
	case there:
		fail(w, http.StatusConflict, fmt.Sprintf("model %s is loaded already", question.Name))
		return
	}
	path := filepath.Clean(question.URL)
	below, err := filepath.Rel(s.config.ModelDir, path)
	if s.config.ModelDir == "" || err != nil || !filepath.IsLocal(below) {
		fail(w, http.StatusForbidden, fmt.Sprintf("models are loaded from below %q only", s.config.ModelDir))
		return
	}
	m, err := Load(path)
	if err != nil {
		s.config.Log.Error("endpoint", "load", path, "error", err)
		fail(w, http.StatusBadRequest, strings.ReplaceAll(err.Error(), path, question.Name))
		return
	}
	s.Set(question.Name, m)
	w.WriteHeader(http.StatusOK)
}

// Serve answers on a listener until ctx ends; then it answers what has been
// asked, for ten seconds at most, and returns nil.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.config.Log.Handler(), slog.LevelWarn)}
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return h.Shutdown(closing)
}
