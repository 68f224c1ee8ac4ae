package corpus

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What a corpus may hold. Small inputs are tried faster and say more.
const (
	MaxInput  = 8 << 10   // bytes of an input as text
	MaxInputs = 500       // of a corpus
	MaxTotal  = 512 << 10 // bytes of all inputs of a corpus, unpacked
)

// Pack adds the inputs that "go test -fuzz" has left in a folder to a corpus and
// returns how many it holds now. Of more than it may hold the smallest stay.
// Inputs that change nothing leave the file as it is; the same inputs give the
// same file.
func Pack(name, folder string) (int, error) {
	old, err := read(name)
	if err != nil {
		return 0, err
	}
	found, err := readFolder(folder)
	if err != nil {
		return 0, err
	}
	kept := choose(slices.Concat(old, found))
	if slices.Equal(kept, old) {
		return len(kept), nil
	}
	return len(kept), write(name, kept)
}

// readFolder returns the inputs in a folder, without their headers; none when
// there is no folder.
func readFolder(folder string) ([]string, error) {
	files, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var inputs []string
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if err != nil {
			return nil, err
		}
		in, ok := strings.CutPrefix(string(text), header)
		if _, err := arguments(in); err != nil || !ok {
			return nil, fmt.Errorf("%s is no input of a fuzzer: %w", filepath.Join(folder, file.Name()), err)
		}
		if !strings.HasSuffix(in, "\n") {
			in += "\n"
		}
		inputs = append(inputs, in)
	}
	return inputs, nil
}

// choose returns the inputs that a corpus may hold, the smallest first.
func choose(inputs []string) []string {
	slices.SortFunc(inputs, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	})
	inputs = slices.Compact(inputs)
	total := 0
	for i, in := range inputs {
		if total += len(in); i == MaxInputs || len(in) > MaxInput || total > MaxTotal {
			return inputs[:i]
		}
	}
	return inputs
}

func write(name string, inputs []string) error {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	for _, in := range inputs {
		if _, err := z.Write([]byte(header + in)); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	return os.WriteFile(name, b.Bytes(), 0o666)
}
