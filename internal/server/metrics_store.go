package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"annal/internal/api"
	"annal/internal/ingest"
	"annal/internal/store"
)

// A storeFigure is one of the store's own figures, as /metrics shows it.
type storeFigure struct {
	name, help string
	kind       prometheus.ValueType
	read       func(*store.Stats) float64
}

// storeFigures is the table of what /metrics shows of the store.
func storeFigures() []storeFigure {
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	return []storeFigure{
		{"annal_write_alarm", "1 while the log refuses writes, because its disk is full or fails; else 0.", gauge,
			func(s *store.Stats) float64 { return oneIf(s.Alarm != "") }},
		{"annal_log_events", "Events in the log.", gauge,
			func(s *store.Stats) float64 { return float64(s.Events) }},
		{"annal_missing_positions", "Positions of the log whose events are lost, or may be; answers say which. It grows when a start finds a loss.", gauge,
			func(s *store.Stats) float64 { return float64(s.Missing) }},
		{"annal_tenants", "Tenants that have events, as of the latest seal.", gauge,
			func(s *store.Stats) float64 { return float64(s.Tenants) }},
		{"annal_segments", "Sealed segments.", gauge,
			func(s *store.Stats) float64 { return float64(s.Segments) }},
		{"annal_segment_bytes", "Size of the sealed segments, with their index files.", gauge,
			func(s *store.Stats) float64 { return float64(s.SegmentBytes) }},
		{"annal_segments_set_aside", "Segments that are damaged and not served.", gauge,
			func(s *store.Stats) float64 { return float64(len(s.Lost)) }},
		{"annal_memtable_rows", "Events that are not in a segment yet.", gauge,
			func(s *store.Stats) float64 { return float64(s.MemRows) }},
		{"annal_memtable_bytes", "Text of the events that are not in a segment yet.", gauge,
			func(s *store.Stats) float64 { return float64(s.MemBytes) }},
		{"annal_seals_total", "Segments sealed.", counter,
			func(s *store.Stats) float64 { return float64(s.Seals) }},
		{"annal_seal_failures_total", "Seals that went wrong and are tried again.", counter,
			func(s *store.Stats) float64 { return float64(s.SealFailures) }},
		{"annal_seal_seconds_total", "Time spent on sealing.", counter,
			func(s *store.Stats) float64 { return s.SealSeconds }},
		{"annal_wal_syncs_total", "Syncs of the write-ahead log; each covers all batches that waited for it.", counter,
			func(s *store.Stats) float64 { return float64(s.WAL.Syncs) }},
		{"annal_wal_files", "Files of the write-ahead log.", gauge,
			func(s *store.Stats) float64 { return float64(s.WAL.Files) }},
		{"annal_wal_bytes", "Size of the write-ahead log's files.", gauge,
			func(s *store.Stats) float64 { return float64(s.WAL.FileBytes) }},
		{"annal_wal_written_bytes_total", "Bytes written to the write-ahead log, padding included.", counter,
			func(s *store.Stats) float64 { return float64(s.WAL.Bytes) }},
		{"annal_wal_failures_total", "Writes to the log that the disk refused; nothing of them was acknowledged.", counter,
			func(s *store.Stats) float64 { return float64(s.WAL.Failures) }},
		{"annal_wal_damaged_places", "Places of the write-ahead log that could not be read at the start.", gauge,
			func(s *store.Stats) float64 { return float64(s.WALDamage) }},
		{"annal_read_damage_total", "Reads that met a damaged file.", counter,
			func(s *store.Stats) float64 { return float64(s.ReadDamage) }},
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// A storeCollector shows the store's figures of one moment.
type storeCollector struct {
	stats   func() store.Stats
	figures []storeFigure
	descs   []*prometheus.Desc
}

func (s *Server) meterStore() {
	c := &storeCollector{stats: s.store.Stats, figures: storeFigures()}
	for _, f := range c.figures {
		c.descs = append(c.descs, prometheus.NewDesc(f.name, f.help, nil, nil))
	}
	s.metrics.registry.MustRegister(c)
	s.metrics.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "annal_damage_alarm", Help: "1 when a file of the log, of the access stream or beside them is known to be damaged that cannot be made again; else 0.",
	}, func() float64 {
		log, reads := s.store.Stats(), s.access.Stats()
		return oneIf(hurt(&log) || hurt(&reads) || s.auth.Damage() != nil || s.forward.Damage() != nil || s.keys.hurt())
	}))
}

// hurt reports whether something of a log is lost or cannot be read.
func hurt(st *store.Stats) bool {
	return len(st.Damaged) > 0 || len(st.Lost) > 0 || st.WALDamage > 0
}

// Describe names the figures.
func (c *storeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect reads the figures.
func (c *storeCollector) Collect(ch chan<- prometheus.Metric) {
	stats := c.stats()
	for i, f := range c.figures {
		ch <- prometheus.MustNewConstMetric(c.descs[i], f.kind, f.read(&stats))
	}
}

// meterTails shows how the tails get on that the result learns of.
func (s *Server) meterTails() *api.Tails {
	t := new(api.Tails)
	s.metrics.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "annal_tails", Help: "Open tails.",
		}, func() float64 { return float64(t.Open()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "annal_tail_lag_events", Help: "Events of the log that the tail which is furthest behind has still before it.",
		}, func() float64 {
			end := s.store.End()
			return float64(end - t.Last(end))
		}))
	return t
}

// A guardCollector shows what the guard removed, by kind.
type guardCollector struct {
	guard *ingest.Guard
	desc  *prometheus.Desc
}

func (s *Server) meterGuard(g *ingest.Guard) {
	s.metrics.registry.MustRegister(&guardCollector{g, prometheus.NewDesc(
		"annal_redactions_total", "Secret values removed from events before they were stored, by kind.", []string{"kind"}, nil,
	)})
}

// Describe names the figure.
func (c *guardCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect reads the guard's counts.
func (c *guardCollector) Collect(ch chan<- prometheus.Metric) {
	c.guard.Redacted(func(kind string, n uint64) {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(n), kind)
	})
}
