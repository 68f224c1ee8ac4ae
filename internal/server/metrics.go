package server

import (
	"crypto/subtle"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what /metrics shows. What the store and the guard count already is
// read when it is asked for.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	events   *prometheus.CounterVec
}

// durationBuckets reach from one event by id to a summary of a large log.
var durationBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 30}

func newMetrics(version string) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "annal_http_requests_total", Help: "Requests answered, by route pattern and status.",
		}, []string{"route", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "annal_http_request_duration_seconds", Help: "Time to answer, by route pattern.", Buckets: durationBuckets,
		}, []string{"route"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "annal_events_total", Help: "Events that came in, by what became of them.",
		}, []string{"result"}),
	}
	for _, result := range []string{accepted, duplicate, refused} {
		m.events.WithLabelValues(result)
	}
	m.registry.MustRegister(m.requests, m.duration, m.events,
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "annal_build_info", Help: "Which annal this is; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	}, func() float64 { return 1 }))
	return m
}

// What became of an event.
const (
	accepted  = "accepted"
	duplicate = "duplicate"
	refused   = "refused"
)

// observe counts one answered request.
func (m *metrics) observe(route string, status int, d time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(route).Observe(d.Seconds())
}

// handler answers /metrics. Unless token is "" it asks for it.
func (m *metrics) handler(token string) http.Handler {
	show := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := "Bearer " + token
		if token != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(want)) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "send Authorization: Bearer and the metrics-token of the configuration", http.StatusUnauthorized)
			return
		}
		show.ServeHTTP(w, r)
	})
}
