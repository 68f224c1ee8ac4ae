package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"annal/internal/server"
	"annal/internal/store"
	"annal/internal/vfs"
)

type checkCmd struct {
	Data string `required:"" placeholder:"DIR" env:"ANNAL_DATA" help:"The data folder. No server may use it meanwhile."`
	JSON bool   `name:"json" help:"The findings as one JSON object."`
}

// Help says what the exit code means.
func (checkCmd) Help() string {
	return `Exits with 0 when the log is sound and with 1 when it is not. It changes nothing.`
}

// Run verifies the data folder and names what is damaged.
func (c *checkCmd) Run(e *env) error {
	report, err := store.Check(store.Config{Dir: c.Data})
	if errors.Is(err, vfs.ErrLocked) {
		return fmt.Errorf("%s is in use; stop its server first, or check a copy", c.Data)
	}
	if err != nil {
		return err
	}
	c.checkAccess(&report)
	if report.LogID != ([16]byte{}) {
		for _, problem := range server.CheckState(c.Data, report.LogID) {
			report.Problems = append(report.Problems, problem.Error())
		}
	}
	if c.JSON {
		err = printJSON(e, report)
	} else {
		err = c.print(e, &report)
	}
	if err == nil && len(report.Problems) > 0 {
		return errSaid
	}
	return err
}

// checkAccess verifies the access stream, a log of its own within the folder,
// where one was begun. That it cannot be read at all is one more problem: what
// was found in the log itself is told all the same.
func (c *checkCmd) checkAccess(report *store.Report) {
	dir := filepath.Join(c.Data, server.AccessDir)
	if entries, err := os.ReadDir(dir); len(entries) == 0 && (err == nil || errors.Is(err, fs.ErrNotExist)) {
		return
	}
	found, err := store.Check(store.Config{Dir: dir})
	if err != nil {
		found.Problems = append(found.Problems, err.Error())
	}
	for _, problem := range found.Problems {
		if !strings.Contains(problem, dir) {
			problem = dir + ": " + problem
		}
		report.Problems = append(report.Problems, problem)
	}
}

func (c *checkCmd) print(e *env, report *store.Report) error {
	for _, problem := range report.Problems {
		if _, err := fmt.Fprintln(e.out, problem); err != nil {
			return err
		}
	}
	verdict := "sound"
	if n := len(report.Problems); n > 0 {
		problems := "problems"
		if n == 1 {
			problems = "problem"
		}
		verdict = fmt.Sprintf("NOT SOUND, %d %s; docs/operations.md says what to do", n, problems)
	}
	_, err := fmt.Fprintf(e.out, "%s: %d segments with %d events, and the write-ahead log with all that came after: %s\n", c.Data, report.Segments, report.Events, verdict)
	return err
}
