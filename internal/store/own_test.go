package store

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"annal/internal/vfs"
)

// lookAt looks at LOG and MANIFEST as they are now.
func lookAt(s *Store, at *ownLook) (said string) {
	var log bytes.Buffer
	looking := &Store{fs: s.fs, cfg: s.cfg, identity: s.identity, manifest: s.manifest, damaged: s.damaged}
	looking.cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	at.looked = s.cfg.Now().Add(-scrubEvery)
	looking.checkOwn(at)
	s.damaged = looking.damaged
	return log.String()
}

// LOG is written again while the log is open, or the folder would open no more:
// whatever was done to it, unless it is another log's.
func TestALogWithoutItsIdentityWritesItAgain(t *testing.T) {
	cfg, _ := damagedLog(t)
	other, _ := damagedLog(t)
	s := reopen(t, cfg)
	file := filepath.Join(cfg.Dir, IdentityFile)
	sound := contents(t, file)
	var at ownLook
	if said := lookAt(s, &at); said != "" {
		t.Errorf("of what is sound it says %q", said)
	}
	for name, spoil := range map[string]func(){
		"flipped": func() { edit(t, file, func(b []byte) []byte { b[9] ^= 1; return b }) },
		"cut":     func() { edit(t, file, func(b []byte) []byte { return b[:20] }) },
		"emptied": func() { edit(t, file, func([]byte) []byte { return nil }) },
		"longer":  func() { edit(t, file, func(b []byte) []byte { return append(b, 'x') }) },
		"removed": func() { _ = os.Remove(file) }, // the next look tells
	} {
		spoil()
		said := lookAt(s, &at)
		if got := contents(t, file); !bytes.Equal(got, sound) || !strings.Contains(said, "level=ERROR") || !strings.Contains(said, file) || len(s.damaged) > 0 {
			t.Errorf("%s: LOG is then %q, want %q; damaged are %v; it says %q", name, got, sound, s.damaged, said)
		}
	}
	foreign := contents(t, filepath.Join(other.Dir, IdentityFile))
	edit(t, file, func([]byte) []byte { return foreign })
	said, again := lookAt(s, &at), lookAt(s, &at)
	if got := contents(t, file); !bytes.Equal(got, foreign) || !s.damaged[file] || !strings.Contains(said, "another log's") || again != "" {
		t.Errorf("another log's is then %q; damaged are %v; it says %q, then %q", got, s.damaged, said, again)
	}
	edit(t, file, func([]byte) []byte { return sound })
	if lookAt(s, &at); len(s.damaged) > 0 {
		t.Errorf("it was put back, but damaged are %v", s.damaged)
	}
	reopen(t, copyLog(t, cfg))
}

// Where LOG cannot be written again, the alarm stays on until it can.
func TestAnIdentityThatCannotBeWrittenYetIsTold(t *testing.T) {
	cfg, disk := memLog(t)
	s := reopen(t, cfg)
	file := cfg.Dir + "/" + IdentityFile
	if err := disk.Remove(file); err != nil {
		t.Fatal(err)
	}
	disk.Fail(func(op vfs.Op, _ string) error {
		if op == vfs.OpCreate {
			return syscall.ENOSPC
		}
		return nil
	})
	var at ownLook
	said, again := lookAt(s, &at), lookAt(s, &at)
	if !strings.Contains(said, "cannot be written again yet") || !strings.Contains(said, "no space left on device") || again != "" || !slices.Equal(s.Stats().Damaged, []string{file}) {
		t.Errorf("it says %q, then %q; damaged are %v", said, again, s.Stats().Damaged)
	}
	disk.Fail(nil)
	said = lookAt(s, &at)
	if _, err := disk.Size(file); err != nil || !strings.Contains(said, "is written again") || len(s.Stats().Damaged) > 0 {
		t.Errorf("there is space, and it says %q; damaged are %v, %v", said, s.Stats().Damaged, err)
	}
}

// That MANIFEST is not what was written is said, once. It can be made again.
func TestAManifestThatIsSpoiledWhileOpenIsTold(t *testing.T) {
	cfg, _ := damagedLog(t)
	s := reopen(t, cfg)
	file := filepath.Join(cfg.Dir, manifestFile)
	sound := contents(t, file)
	var at ownLook
	for name, spoil := range map[string]func(){
		"flipped": func() { edit(t, file, func(b []byte) []byte { b[9] ^= 1; return b }) },
		"removed": func() { _ = os.Remove(file) }, // the next look tells
	} {
		spoil()
		said, again := lookAt(s, &at), lookAt(s, &at)
		if !strings.Contains(said, "level=WARN") || !strings.Contains(said, file) || again != "" || len(s.damaged) > 0 {
			t.Errorf("%s: it says %q, then %q; damaged are %v", name, said, again, s.damaged)
		}
		if err := os.WriteFile(file, sound, 0o600); err != nil {
			t.Fatal(err)
		}
		if said := lookAt(s, &at); said != "" {
			t.Errorf("it is back, and is told of: %q", said)
		}
	}
}

// A LOG that cannot be read at the moment is not written over.
func TestAnIdentityThatCannotBeReadNowStays(t *testing.T) {
	cfg, disk := memLog(t)
	s := reopen(t, cfg)
	writes := 0
	disk.Fail(func(op vfs.Op, name string) error {
		if op == vfs.OpCreate || op == vfs.OpRename {
			writes++
		}
		if op == vfs.OpOpen {
			return syscall.EMFILE
		}
		return nil
	})
	var at ownLook
	said := lookAt(s, &at)
	disk.Fail(nil)
	if writes > 0 || said != "" || len(s.damaged) > 0 {
		t.Errorf("%d files are written, it says %q, and damaged are %v", writes, said, s.damaged)
	}
}
