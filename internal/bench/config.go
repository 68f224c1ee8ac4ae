package bench

import (
	"errors"
	"io"
	"time"
)

// A Config says what to measure. Give either Binary or Server.
type Config struct {
	Mix Mix // which events; a zero End means now

	// Again, when set, is what an earlier run left in the log. Nothing is brought
	// in or killed then: the same log is asked again. Mix and Singles are not used.
	Again *Log

	Binary    string   // an annal to start, kill and start again; its log is new, or that of Again
	ServeArgs []string // further arguments of its serve command
	Dir       string   // where it keeps its data, in "data", and its output; "": a temporary folder, removed afterwards

	Server string // the address of an annal that runs already, such as http://127.0.0.1:8080
	Token  string // may write to the mix's tenants, and read them
	PID    int    // its process, to read CPU and memory from; 0: leave those figures out
	Data   string // its data folder, to read sizes from; "": leave those figures out

	Connections int // of batched ingest; 0: 4
	Batch       int // events of one request; 0: 1000
	Singles     int // events sent one a request; 0: a twentieth of the events, at most 200,000; negative: none
	Writers     int // connections that do so; 0: 64
	Stream      int // events read as one stream; 0: 1 M, or all when there are fewer
	Repeat      int // times that each question is asked; 0: 50 to 300
	Checks      int // answers checked for each question; 0: 2

	Progress io.Writer // what is being done; nil: nobody cares
}

// Defaults of a [Config].
const (
	defaultConnections = 4
	defaultBatch       = 1000
	defaultWriters     = 64
	defaultStream      = 1_000_000
	defaultChecks      = 2
	maxSingles         = 200_000
	singlesShare       = 20 // one in so many events
	maxCrashEvents     = 400_000
	crashShare         = 5
)

func (c Config) withDefaults() (Config, error) {
	if (c.Binary == "") == (c.Server == "") {
		return c, errors.New("bench: give either a binary to start or the address of a server")
	}
	if c.Again != nil {
		if c.Binary != "" && c.Dir == "" {
			return c, errors.New("bench: to ask an earlier log again, name the folder that it is in")
		}
		c.Mix = c.Again.Mix
		c.Mix.Events = int(c.Again.Stored)
	}
	c.Mix.Events = orInt(c.Mix.Events, DefaultEvents)
	if c.Mix.End.IsZero() {
		c.Mix.End = time.Now()
	}
	c.Connections = orInt(c.Connections, defaultConnections)
	c.Batch = orInt(c.Batch, defaultBatch)
	c.Writers = orInt(c.Writers, defaultWriters)
	c.Stream = min(orInt(c.Stream, defaultStream), c.Mix.Events)
	c.Checks = orInt(c.Checks, defaultChecks)
	switch {
	case c.Singles < 0 || c.Again != nil:
		c.Singles = 0
	case c.Singles == 0:
		c.Singles = min(c.Mix.Events/singlesShare, maxSingles)
	}
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	return c, nil
}
