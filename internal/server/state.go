package server

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"annal/internal/auth"
	"annal/internal/book"
	"annal/internal/forward"
	"annal/internal/store"
)

// A stateFile is a file of the data folder beside the log.
type stateFile struct {
	name   string
	check  func(name string, logID [16]byte) error
	remade string // what a start does that misses it; "": it says so itself
}

// stateFiles lists them in the order in which a first start makes them.
func stateFiles() []stateFile {
	key := func(name string, logID [16]byte) error { _, err := book.ReadKey(name, logID); return err }
	there := func(name string, _ [16]byte) error { _, err := os.Stat(name); return err }
	return []stateFile{
		{auth.StateFile, book.Verify, ""},
		{auth.SigningKeyFile, key, "another is made unless it is damaged, and everybody signs in again"},
		{forward.StateFile, book.Verify, ""},
		{forward.KeyFile, key, "another is made if there are no destinations"},
		{filepath.Join(AccessDir, store.IdentityFile), there, "an empty access stream is begun if nothing is left of it"},
		{CursorKeyFile, key, "another is made, and cursors that clients hold are refused"},
	}
}

// A stateProblem is something wrong with a stateFile, and what a start does then.
type stateProblem struct {
	err  error
	next string
}

// CheckState reads the files beside the log in a data folder and returns what is
// wrong with them. It changes nothing.
func CheckState(dir string, logID [16]byte) (problems []error) {
	for _, p := range stateProblems(dir, logID) {
		problems = append(problems, p.err)
	}
	return problems
}

func stateProblems(dir string, logID [16]byte) (problems []stateProblem) {
	made := false // a file that is made later is there, so that this one was
	files := stateFiles()
	for i := len(files) - 1; i >= 0; i-- {
		name := filepath.Join(dir, files[i].name)
		err := files[i].check(name, logID)
		switch missing := errors.Is(err, fs.ErrNotExist); {
		case err == nil:
			made = true
		case !missing:
			made = true
			next := files[i].remade
			if !book.Unusable(err) { // it cannot be read now, and nothing is made in its place
				next = ""
			}
			problems = append(problems, stateProblem{err, next})
		case made || i == len(files)-1 && begun(dir, files[i-1].name):
			problems = append(problems, stateProblem{fmt.Errorf("%s is missing", name), files[i].remade})
		}
	}
	if len(problems) == 0 && made {
		if err := auth.CheckAdminToken(dir, logID); err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, stateProblem{err, "the server goes on"})
		}
	}
	return problems
}

func begun(dir, file string) bool {
	_, err := os.Stat(filepath.Join(dir, file))
	return err == nil
}

// finished reports whether a folder's first start came to its end: the file that
// is made last is there.
func finished(dir string) bool { return begun(dir, CursorKeyFile) }

// noteState says what a start found missing or damaged, and what it makes again,
// which it does only with what costs little.
func (s *Server) noteState() {
	for _, p := range stateProblems(s.cfg.Data, s.store.ID()) {
		next := p.next
		if next == "" {
			next = "the start says how to go on"
		}
		s.log.Error("a file of the data folder is damaged, missing or cannot be read", "problem", p.err, "next", next)
	}
}

// noteDamage says that a file beside the log was found damaged while it was open.
func (s *Server) noteDamage(problem error) {
	s.log.Error("a file of the data folder was damaged while it was open: stop, put it back from a backup, start", "problem", problem)
}

// keysEvery is how often the files of keys are read anew while the server runs.
const keysEvery = time.Second

// A keyring remembers which files of keys are known to be spoiled. The keys themselves
// are in memory, so that all goes on; the next start is what would suffer.
type keyring struct {
	mu      sync.Mutex
	spoiled map[string]bool
}

// look reads the files of keys anew, and says what has become of them since.
func (k *keyring) look(dir string, logID [16]byte, log *slog.Logger) {
	for _, name := range []string{auth.SigningKeyFile, forward.KeyFile, CursorKeyFile} {
		_, err := book.ReadKey(filepath.Join(dir, name), logID)
		bad := errors.Is(err, fs.ErrNotExist) || book.Unusable(err)
		if bad != k.note(name, bad) && bad {
			log.Error("a key's file was damaged or removed while the server runs: put it back from a backup before the next start", "problem", err)
		}
	}
}

// note remembers whether a file is spoiled, and returns whether it was.
func (k *keyring) note(name string, bad bool) (was bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if was = k.spoiled[name]; k.spoiled == nil {
		k.spoiled = map[string]bool{}
	}
	k.spoiled[name] = bad
	return was
}

// hurt reports whether a file is spoiled that is not made again for nothing.
func (k *keyring) hurt() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.spoiled[auth.SigningKeyFile] || k.spoiled[forward.KeyFile]
}

// cursorKey reads the key of cursors, or makes it. Without it, clients begin
// their walks anew.
func cursorKey(dir string, logID [16]byte, random io.Reader) ([]byte, error) {
	name := filepath.Join(dir, CursorKeyFile)
	text, err := book.ReadKey(name, logID)
	if err == nil {
		if key, err := hex.DecodeString(text); err == nil && len(key) == cursorKeyBytes {
			return key, nil
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !book.Unusable(err) {
		return nil, fmt.Errorf("read the key of cursors: %w", err)
	}
	key := make([]byte, cursorKeyBytes)
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, err
	}
	if err := book.WriteKey(name, hex.EncodeToString(key), logID); err != nil {
		return nil, fmt.Errorf("write the key of cursors: %w", err)
	}
	return key, nil
}
