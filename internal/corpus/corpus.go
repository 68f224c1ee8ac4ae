// Package corpus keeps the inputs that fuzzing has found worth trying in the
// repository, so that every run of the tests tries them again.
//
// The one idea: a file for each fuzzer, testdata/corpus/NAME.gz in its package's
// folder, not one for each input. It is text that zcat shows: the files that
// "go test -fuzz" writes, one behind the other.
//
//	go test fuzz v1
//	string("GET /")
//	bool(true)
//	go test fuzz v1
//	…
//
// [Seed] hands a fuzzer what is kept for it; scripts/fuzz packs what is new. A
// fuzzer whose arguments change loses its file: it holds those of the old ones.
package corpus

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"
)

// header begins every input.
const header = "go test fuzz v1\n"

// Folder is where a package keeps the corpora of its fuzzers, Suffix ends their
// names.
const (
	Folder = "testdata/corpus"
	Suffix = ".gz"
)

// A Fuzzer is a [testing.F].
type Fuzzer interface {
	Name() string
	Add(args ...any)
	Fatal(args ...any)
}

// Seed adds the inputs that are kept for a fuzzer to its seeds. Without a file
// there are none.
func Seed(f Fuzzer) {
	inputs, err := read(filepath.Join(Folder, f.Name()+Suffix))
	if err != nil {
		f.Fatal(err)
	}
	for _, in := range inputs {
		args, err := arguments(in)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(args...)
	}
}

// read returns the inputs of a corpus, none when there is no such file.
func read(name string) ([]string, error) {
	packed, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	parts := strings.Split(string(text), header)
	if parts[0] != "" {
		return nil, fmt.Errorf("%s does not begin with %q", name, header)
	}
	return parts[1:], nil
}

// arguments parses an input without its header: one Go literal a line, in which
// line breaks are escaped.
func arguments(in string) ([]any, error) {
	var args []any
	for line := range strings.Lines(in) {
		kind, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "(")
		text, whole := strings.CutSuffix(rest, ")")
		arg, err := literal(kind, text)
		if err != nil || !whole {
			return nil, fmt.Errorf("corpus: cannot read %.100q (%w)", line, err)
		}
		args = append(args, arg)
	}
	if args == nil {
		return nil, errors.New("corpus: an input without arguments")
	}
	return args, nil
}

// literal parses what "go test -fuzz" writes of the types that our fuzzers take.
func literal(kind, text string) (any, error) {
	switch kind {
	case "string":
		return strconv.Unquote(text)
	case "[]byte":
		s, err := strconv.Unquote(text)
		return []byte(s), err
	case "byte":
		s, err := strconv.Unquote(text)
		r, _ := utf8.DecodeRuneInString(s)
		return byte(r), err
	case "bool":
		return strconv.ParseBool(text)
	case "uint64":
		return strconv.ParseUint(text, 10, 64)
	case "int64":
		return strconv.ParseInt(text, 10, 64)
	case "float64":
		return strconv.ParseFloat(text, 64)
	}
	return nil, fmt.Errorf("no literals of type %q", kind)
}
