package main

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"sync"

	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"
)

// sqlite writes through one connection, as SQLite wants it, in WAL mode with
// every commit synced.
type sqlite struct {
	sqlReader
	mu     sync.Mutex // one writer
	insert *sql.Stmt
}

type sqlitePeer struct{ sqlite }

func newSQLite() *sqlitePeer { return &sqlitePeer{} }

func (p *sqlitePeer) name() string    { return "sqlite" }
func (p *sqlitePeer) available() bool { return true }
func (p *sqlitePeer) durable() bool   { return true }

func (p *sqlitePeer) start(ctx context.Context, dir string) (err error) {
	file := "file:" + filepath.Join(dir, "events.db") + "?_journal_mode=WAL&_synchronous=FULL&_cache_size=-262144&_busy_timeout=60000"
	if p.db, err = sql.Open("sqlite3", file); err != nil {
		return err
	}
	if err := execAll(ctx, p.db, append([]string{createTable}, indexes[:]...)...); err != nil {
		return err
	}
	marks := strings.TrimSuffix(strings.Repeat("?,", len(columns)), ",")
	p.sqlite.insert, err = p.db.PrepareContext(ctx, "INSERT INTO events VALUES ("+marks+")")
	return err
}

func (p *sqlitePeer) insert(ctx context.Context, b batch) error {
	events := b.events()
	p.mu.Lock()
	defer p.mu.Unlock()
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	stmt := tx.StmtContext(ctx, p.sqlite.insert)
	for i := range events {
		if _, err := stmt.ExecContext(ctx, row(&events[i])...); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (p *sqlitePeer) finish(ctx context.Context) error {
	return execAll(ctx, p.db, "PRAGMA wal_checkpoint(TRUNCATE)", "ANALYZE")
}

func (p *sqlitePeer) cpu() float64 { return selfCPU() }
func (p *sqlitePeer) stop() error  { return p.db.Close() }
