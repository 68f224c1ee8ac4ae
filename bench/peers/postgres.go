package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgresPeer is a server of our own, with a quarter of a usual machine's
// memory as its cache and every commit synced.
type postgresPeer struct {
	sqlReader
	bin  string
	dir  string
	pool *pgxpool.Pool
	pid  int
}

func newPostgres(bin string) *postgresPeer {
	return &postgresPeer{sqlReader: sqlReader{numbered: true}, bin: bin}
}

func (p *postgresPeer) name() string { return "postgresql" }

func (p *postgresPeer) available() bool {
	_, err := os.Stat(filepath.Join(p.bin, "initdb"))
	_, _, other := serverUser()
	return p.bin != "" && err == nil && (os.Geteuid() != 0 || other)
}
func (p *postgresPeer) durable() bool { return true }

const postgresPort = 15439

func (p *postgresPeer) start(ctx context.Context, dir string) error {
	p.dir = filepath.Join(dir, "pg")
	if err := p.ownedFolder(p.dir); err != nil {
		return err
	}
	if err := p.command("initdb", "-D", p.dir, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C"); err != nil {
		return err
	}
	settings := fmt.Sprintf("-p %d -k %s -h 127.0.0.1 -c shared_buffers=1GB -c max_wal_size=4GB -c work_mem=64MB", postgresPort, p.dir)
	if err := p.command("pg_ctl", "-D", p.dir, "-l", filepath.Join(p.dir, "log"), "-o", settings, "-w", "start"); err != nil {
		return err
	}
	if err := p.readPID(); err != nil {
		return err
	}
	cfg, err := pgxpool.ParseConfig(fmt.Sprintf("host=%s port=%d user=postgres dbname=postgres pool_max_conns=%d", p.dir, postgresPort, singleWriters))
	if err != nil {
		return err
	}
	if p.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return err
	}
	p.db = stdlib.OpenDBFromPool(p.pool)
	return execAll(ctx, p.db, append([]string{createTable}, indexes[:]...)...)
}

// serverUser returns whom the programs run as: they refuse root.
func serverUser() (uid, gid uint32, ok bool) {
	if os.Geteuid() != 0 {
		return 0, 0, false
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return 0, 0, false
	}
	id, err1 := strconv.ParseUint(u.Uid, 10, 32)
	group, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return uint32(id), uint32(group), err1 == nil && err2 == nil
}

func (p *postgresPeer) ownedFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if uid, gid, ok := serverUser(); ok {
		return os.Chown(dir, int(uid), int(gid))
	}
	return nil
}

func (p *postgresPeer) command(name string, args ...string) error {
	cmd := exec.Command(filepath.Join(p.bin, name), args...)
	cmd.Dir = p.dir
	// When the programs were only unpacked, their libraries lie beside them.
	if libraries, _ := filepath.Glob(filepath.Join(p.bin, "../../../*-linux-*")); len(libraries) > 0 {
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(libraries, ":"))
	}
	if uid, gid, ok := serverUser(); ok {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	}
	// The server inherits what it is started with, so no pipe may be among it.
	out, err := os.CreateTemp("", "annal-peers-pg-")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(out.Name())
		return fmt.Errorf("%s: %w: %s", name, err, said)
	}
	return nil
}

func (p *postgresPeer) readPID() error {
	f, err := os.Open(filepath.Join(p.dir, "postmaster.pid"))
	if err != nil {
		return err
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadString('\n')
	if err != nil {
		return err
	}
	p.pid, err = strconv.Atoi(strings.TrimSpace(line))
	return err
}

// insert copies in binary, the fastest way in.
func (p *postgresPeer) insert(ctx context.Context, b batch) error {
	events := b.events()
	_, err := p.pool.CopyFrom(ctx, pgx.Identifier{"events"}, columns[:], pgx.CopyFromSlice(len(events), func(i int) ([]any, error) {
		return row(&events[i]), nil
	}))
	return err
}

func (p *postgresPeer) finish(ctx context.Context) error {
	return execAll(ctx, p.db, "VACUUM ANALYZE events", "CHECKPOINT")
}

func (p *postgresPeer) cpu() float64 { return treeCPU(p.pid) }

func (p *postgresPeer) stop() error {
	p.db.Close()
	p.pool.Close()
	return p.command("pg_ctl", "-D", p.dir, "-m", "fast", "-w", "stop")
}
