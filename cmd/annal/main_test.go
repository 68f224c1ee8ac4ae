package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"annal/internal/annaltest"
	"annal/internal/segment"
	"annal/internal/server"
)

// asAnnal makes the test binary behave as annal, for tests that need its
// process. Its value says of what size its files are.
const (
	asAnnal = "ANNAL_TEST_BINARY"
	full    = "full"
	small   = "small"  // a short test sees many of them
	blocks  = "blocks" // a segment has a few blocks
)

// Sizes of a small annal.
const (
	smallSegment = 200       // events
	smallLogFile = 256 << 10 // bytes

	blocksSegment = 3 * segment.BlockRows // events
)

func TestMain(m *testing.M) {
	switch os.Getenv(asAnnal) {
	case full:
		main()
		return
	case small:
		os.Exit(sizedMain(server.Deps{SegmentRows: smallSegment, LogFileSize: smallLogFile}))
	case blocks:
		os.Exit(sizedMain(server.Deps{SegmentRows: blocksSegment}))
	}
	testscript.Main(raced{m}, map[string]func(){"annal": main})
}

// raced are tests that start annal in processes of their own.
type raced struct{ tests *testing.M }

// Run runs them.
func (r raced) Run() int { return annaltest.Main(r.tests) }

// sizedMain is main with files of other sizes.
func sizedMain(sizes server.Deps) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	e := &env{in: os.Stdin, out: os.Stdout, err: os.Stderr, server: sizes}
	return run(ctx, e, os.Args[1:])
}

// TestScripts runs the files of testdata/script, each as a user at a shell
// would: a server of their own, the real command line.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			address, err := freeAddress()
			if err != nil {
				return err
			}
			env.Setenv("LISTEN", address)
			env.Setenv(annaltest.RaceEnv, os.Getenv(annaltest.RaceEnv))
			env.Setenv("ANNAL_SERVER", "http://"+address)
			samples, err := filepath.Abs(filepath.Join("..", "..", "samples"))
			env.Setenv("SAMPLES", samples)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":   code,
			"ready":  ready,
			"admin":  admin,
			"spoil":  spoil,
			"setenv": setenv,
		},
	})
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// code N COMMAND runs a command that must exit with N.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// ready waits until the server answers.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: ready")
	}
	url, err := ts.Getenv("ANNAL_SERVER"), error(nil)
	if !annaltest.Comes(func() bool { err = askReady(url); return err == nil }) {
		ts.Fatalf("%s is not ready: %v", url, err)
	}
}

// askReady returns nil if the server is ready for requests.
func askReady(url string) error {
	resp, err := http.Get(url + "/v1/health/ready")
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode == http.StatusOK {
		return err
	}
	return fmt.Errorf("it answers %s", resp.Status)
}

// admin DIR takes the admin token of a data folder as ANNAL_TOKEN.
func admin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: admin DIR")
	}
	ts.Setenv("ANNAL_TOKEN", strings.TrimSpace(ts.ReadFile(filepath.Join(args[0], "admin-token"))))
}

// setenv NAME FILE sets a variable to what a file (or stdout) holds.
func setenv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: setenv NAME FILE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// spoil PATTERN changes a byte in the middle of the only file that matches.
func spoil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: spoil PATTERN")
	}
	names, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(names) != 1 {
		ts.Fatalf("%s matches %v, want one file", args[0], names)
	}
	b, err := os.ReadFile(names[0])
	ts.Check(err)
	b[len(b)/2] ^= 0xff
	ts.Check(os.WriteFile(names[0], b, 0o600))
}
