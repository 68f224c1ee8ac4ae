package store

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"strings"
	"time"

	"annal"
	"annal/internal/vfs"
)

// formatVersion is that of the data folder as a whole.
const formatVersion = 1

// maxStateFile bounds the small files that are read whole.
const maxStateFile = 1 << 30

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var systemRandom io.Reader = rand.Reader

// An identity says which log this is. Losing it makes ids of events change and
// keeps segments from being recognised, so it is part of every backup.
type identity struct {
	Format  int       `json:"format"`
	LogID   hex16     `json:"log_id"`
	IDKey   hex16     `json:"id_key"`
	Created time.Time `json:"created"`
}

// hex16 is 16 bytes that JSON shows as hex.
type hex16 [16]byte

func (h hex16) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

func (h *hex16) UnmarshalText(b []byte) error {
	if len(b) != 32 {
		return errors.New("want 32 hex digits")
	}
	_, err := hex.Decode(h[:], b)
	return err
}

func openIdentity(disk vfs.FS, cfg Config) (id identity, err error) {
	name := cfg.Dir + "/" + IdentityFile
	err = readState(disk, name, &id, false) // its format says whether it is a newer version's
	if errors.Is(err, fs.ErrNotExist) {
		return newIdentity(disk, cfg, name)
	}
	var damage *DamageError
	if errors.As(err, &damage) {
		damage.Problem += "; restore it from a backup of this data folder"
	}
	if err == nil && id.Format != formatVersion {
		err = fmt.Errorf("the data folder has format %d and this annal reads format %d: use the annal that wrote it, or a newer one", id.Format, formatVersion)
	}
	return id, err
}

func newIdentity(disk vfs.FS, cfg Config, name string) (id identity, err error) {
	for _, d := range []string{walDir, segmentDir} {
		names, err := disk.List(cfg.Dir + "/" + d)
		if err != nil || len(names) > 0 {
			return id, errors.Join(err, fmt.Errorf("%s is missing but %s is not empty: restore it from a backup of this data folder", name, cfg.Dir+"/"+d))
		}
	}
	id = identity{Format: formatVersion, Created: cfg.Now().UTC()}
	if _, err := io.ReadFull(cfg.Random, id.LogID[:]); err != nil {
		return id, err
	}
	if _, err := io.ReadFull(cfg.Random, id.IDKey[:]); err != nil {
		return id, err
	}
	return id, writeState(disk, name, id)
}

// State files hold one JSON value and a line with its CRC-32C in hex. They are
// replaced whole: a temporary file, synced, renamed.

func writeState(disk vfs.FS, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	b = fmt.Appendf(b, "\n%08x\n", crc32.Checksum(b, castagnoli))
	f, err := disk.Create(name + ".tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := disk.Rename(name+".tmp", name); err != nil {
		return err
	}
	return disk.SyncDir(name[:strings.LastIndexByte(name, '/')])
}

// readState reads what writeState wrote into v. If strict, what v has no field for
// is damage: one file might be in the place of another.
func readState(disk vfs.FS, name string, v any, strict bool) error {
	size, err := disk.Size(name)
	if err != nil {
		return err
	}
	if size > maxStateFile {
		return &DamageError{name, "too large", size}
	}
	f, err := disk.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return fmt.Errorf("read %s: %w", name, err)
	}
	text, sum, ok := strings.Cut(string(b), "\n")
	if !ok || sum != fmt.Sprintf("%08x\n", crc32.Checksum([]byte(text), castagnoli)) {
		return &DamageError{name, "checksum does not match", size}
	}
	d := json.NewDecoder(strings.NewReader(text))
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(v); err != nil {
		return &DamageError{name, err.Error(), size}
	}
	return nil
}

// A DamageError names a file of the data folder that cannot be trusted.
type DamageError struct {
	File    string
	Problem string
	Size    int64 // of the file, which is damaged as a whole; 0: it is not there
}

func (e *DamageError) Error() string {
	said := e.File + " is damaged: " + e.Problem
	if e.Size > 0 {
		said += fmt.Sprintf(" (bytes 0 to %d)", e.Size)
	}
	return said
}

// id returns the id of an event of this log.
func (s *Store) id(position uint64, received int64) annal.ID {
	c := s.ids.Get().(*idCode)
	defer s.ids.Put(c)
	return c.id(position, received)
}
