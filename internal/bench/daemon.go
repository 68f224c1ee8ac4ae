package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Waits for the server under test.
const (
	readyTimeout = 2 * time.Minute
	readyPoll    = 2 * time.Millisecond
	stopTimeout  = time.Minute
	watchEvery   = 20 * time.Millisecond

	settleTimeout = time.Minute
	settlePoll    = 300 * time.Millisecond
	idleCPU       = 0.02 // seconds of CPU in one poll that are not work
)

// A daemon is the server under test: a process of our own that may be killed
// and started again, or somebody else's.
type daemon struct {
	binary string // "": not ours
	args   []string
	data   string // its data folder; "": unknown
	output string // where its output goes
	listen string

	target target
	pid    atomic.Int64 // 0: unknown, or not running
	cmd    *exec.Cmd
	exited chan error

	watched watched
}

const dataFolder = "data" // within [Config.Dir]

// newDaemon prepares, but does not start, a server of our own.
func newDaemon(cfg *Config) (*daemon, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return &daemon{
		binary: cfg.Binary,
		args:   cfg.ServeArgs,
		data:   filepath.Join(cfg.Dir, dataFolder),
		output: filepath.Join(cfg.Dir, "serve.log"),
		listen: l.Addr().String(),
	}, nil
}

func (d *daemon) ours() bool { return d.binary != "" }

// start runs the server and returns how long it took until it was ready.
func (d *daemon) start(ctx context.Context) (time.Duration, error) {
	out, err := os.OpenFile(d.output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	args := append([]string{"serve", "--data", d.data, "--listen", d.listen}, d.args...)
	d.cmd = exec.Command(d.binary, args...)
	d.cmd.Stdout, d.cmd.Stderr = out, out
	d.cmd.SysProcAttr = endWithParent()
	began := time.Now()
	if err := d.spawn(); err != nil {
		return 0, fmt.Errorf("start the server: %w", err)
	}
	if err := d.waitReady(ctx); err != nil {
		d.kill()
		return 0, fmt.Errorf("%w; it said: %s", err, d.lastWords())
	}
	took := time.Since(began)
	return took, d.readToken()
}

// spawn starts the process, and waits for its end on the same thread: where the
// system ends a process with its parent, it does so with the thread that started
// it.
func (d *daemon) spawn() error {
	started := make(chan error)
	exited := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := d.cmd.Start()
		started <- err
		if err == nil {
			exited <- d.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	d.exited = exited
	d.pid.Store(int64(d.cmd.Process.Pid))
	return nil
}

const maxLastWords = 2000 // bytes

// lastWords returns the end of the server's output.
func (d *daemon) lastWords() []byte {
	said, err := os.ReadFile(d.output)
	if err != nil {
		return []byte(err.Error())
	}
	return said[max(len(said)-maxLastWords, 0):]
}

func (d *daemon) readToken() error {
	name := filepath.Join(d.data, "admin-token")
	token, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read the admin token: %w", err)
	}
	d.target, err = newTarget("http://"+d.listen, strings.TrimSpace(string(token)))
	return err
}

func (d *daemon) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	t, err := newTarget("http://"+d.listen, "-")
	if err != nil {
		return err
	}
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		if t.ready(ctx) {
			return nil
		}
		select {
		case err := <-d.exited:
			d.exited <- err
			return fmt.Errorf("the server ended before it was ready: %v", err)
		case <-ctx.Done():
			return fmt.Errorf("wait for the server: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

func (t *target) ready(ctx context.Context) bool {
	w, err := t.dial(ctx)
	if err != nil {
		return false
	}
	defer w.close()
	_, err = w.do(t.appendHead(nil, "GET", "/v1/health/ready", "", "*/*", 0))
	return err == nil
}

// kill ends the server as a crash would.
func (d *daemon) kill() {
	d.noteMemory()
	d.cmd.Process.Kill() //nolint:errcheck // it may have ended by itself
	<-d.exited
	d.pid.Store(0)
}

// stop asks the server to shut down and waits until it has.
func (d *daemon) stop() error {
	d.noteMemory()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the server: %w", err)
	}
	select {
	case <-d.exited:
		d.pid.Store(0)
		return nil
	case <-time.After(stopTimeout):
		d.kill()
		return errors.New("the server did not stop in time")
	}
}

// cpu returns the CPU seconds that the server has used, 0 when unknown.
func (d *daemon) cpu() float64 {
	pid := d.pid.Load()
	if pid == 0 {
		return 0
	}
	s, err := cpuSeconds(int(pid))
	if err != nil {
		return 0
	}
	return s
}

// measured reports whether the server's process can be looked at.
func (d *daemon) measured() bool { return d.cpu() > 0 }

// settle waits until the server has nothing left to do in the background.
func (d *daemon) settle(ctx context.Context) error {
	const calm = 3 // looks in a row without more than a tick of CPU
	deadline := time.Now().Add(settleTimeout)
	was := d.cpu()
	for quiet := 0; quiet < calm && time.Now().Before(deadline); {
		if err := sleep(ctx, settlePoll); err != nil {
			return err
		}
		is := d.cpu()
		quiet++
		if is-was > idleCPU {
			quiet = 0
		}
		was = is
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// watch notes the server's memory until ctx ends.
func (d *daemon) watch(ctx context.Context) {
	for sleep(ctx, watchEvery) == nil {
		d.noteMemory()
	}
}

// noteMemory remembers the most memory that the server held.
func (d *daemon) noteMemory() { d.watched.note(int(d.pid.Load())) }
