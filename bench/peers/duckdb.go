package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"path/filepath"

	"github.com/duckdb/duckdb-go/v2"
)

// duckPeer is an analytical store: columns and zone maps, no indexes.
type duckPeer struct {
	sqlReader
	connector *duckdb.Connector
	writers   chan driver.Conn // one for each connection that writes
}

func newDuckDB() *duckPeer { return &duckPeer{sqlReader: sqlReader{numbered: true, plain: true}} }

func (p *duckPeer) name() string    { return "duckdb" }
func (p *duckPeer) available() bool { return true }
func (p *duckPeer) durable() bool   { return true }

func (p *duckPeer) start(ctx context.Context, dir string) (err error) {
	if p.connector, err = duckdb.NewConnector(filepath.Join(dir, "events.duckdb"), nil); err != nil {
		return err
	}
	p.db = sql.OpenDB(p.connector)
	if err := execAll(ctx, p.db, createTable); err != nil {
		return err
	}
	p.writers = make(chan driver.Conn, connections)
	for range connections {
		conn, err := p.connector.Connect(ctx)
		if err != nil {
			return err
		}
		p.writers <- conn
	}
	return nil
}

// insert appends through DuckDB's appender, whose Flush commits.
func (p *duckPeer) insert(_ context.Context, b batch) error {
	events := b.events()
	conn := <-p.writers
	defer func() { p.writers <- conn }()
	a, err := duckdb.NewAppenderFromConn(conn, "", "events")
	if err != nil {
		return err
	}
	values := make([]driver.Value, len(columns))
	for i := range events {
		for n, v := range row(&events[i]) {
			values[n] = v
		}
		if err := a.AppendRow(values...); err != nil {
			return err
		}
	}
	return a.Close()
}

func (p *duckPeer) finish(ctx context.Context) error { return execAll(ctx, p.db, "CHECKPOINT") }
func (p *duckPeer) cpu() float64                     { return selfCPU() }

func (p *duckPeer) stop() error {
	for range connections {
		(<-p.writers).Close()
	}
	return p.db.Close()
}
