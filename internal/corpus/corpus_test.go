package corpus

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestLiteralsAreReadAsGoWritesThem compares with what internal/fuzz of Go's
// library prints.
func TestLiteralsAreReadAsGoWritesThem(t *testing.T) {
	for _, want := range []any{
		"", "a\n\"b\x00\xff)", []byte("\xffgo test fuzz v1\n"), byte(0), byte('\n'), byte(200), byte('('), true, false,
		uint64(math.MaxUint64), int64(math.MinInt64), 1.5, 1e300, math.Inf(-1),
	} {
		verb := "%v"
		switch want.(type) {
		case string, []byte, byte:
			verb = "%q"
		}
		kind := fmt.Sprintf("%T", want)
		switch want.(type) {
		case []byte:
			kind = "[]byte"
		case byte:
			kind = "byte"
		}
		in := fmt.Sprintf("%s("+verb+")\n", kind, want)
		got, err := arguments(in)
		if err != nil || len(got) != 1 || fmt.Sprintf("%#v", got[0]) != fmt.Sprintf("%#v", want) {
			t.Errorf("%s reads as %#v (%v), want %#v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "\n", "string(\"a\"\n", "string(a)\n", "chan(1)\n", "uint64(-1)\n", "5\n"} {
		if got, err := arguments(in); err == nil {
			t.Errorf("%q reads as %#v, want an error", in, got)
		}
	}
}

// leave puts inputs into a folder, each in a file as "go test -fuzz" does it.
func leave(t *testing.T, inputs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, in := range inputs {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte(header+in), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func mustPack(t *testing.T, name, folder string) []byte {
	t.Helper()
	if _, err := Pack(name, folder); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// However inputs come, the same ones give the same file, and what is packed is
// what is read.
func TestPackingIsDeterministic(t *testing.T) {
	a, b, c := "string(\"go test fuzz v1\\n\")\n", "string(\"\")\n", "string(\"b\")\nbool(true)\n"
	one, other := filepath.Join(t.TempDir(), "x", "A.gz"), filepath.Join(t.TempDir(), "B.gz")
	first := mustPack(t, one, leave(t, a, b, c))
	mustPack(t, other, leave(t, c))
	if again := mustPack(t, other, leave(t, b, a, a, c)); !bytes.Equal(first, again) {
		t.Error("the same inputs in another order give another file")
	}
	if again := mustPack(t, one, leave(t, b)); !bytes.Equal(first, again) {
		t.Error("an input that was there changes the file")
	}
	if again := mustPack(t, one, filepath.Join(t.TempDir(), "none")); !bytes.Equal(first, again) {
		t.Error("nothing new changes the file")
	}
	if got, err := read(one); err != nil || !slices.Equal(got, []string{b, c, a}) {
		t.Errorf("got %q (%v), want the smallest first: %q", got, err, []string{b, c, a})
	}
}

func TestCorporaAreBounded(t *testing.T) {
	var many, large []string
	for i := range MaxInputs + 50 {
		many = append(many, fmt.Sprintf("string(\"%04d\")\n", i))
		large = append(large, fmt.Sprintf("string(\"%04d%s\")\n", i, strings.Repeat("x", MaxInput/2)))
	}
	if got := choose(slices.Clone(many)); !slices.Equal(got, many[:MaxInputs]) {
		t.Errorf("%d of %d inputs are kept, want %d", len(got), len(many), MaxInputs)
	}
	if got, want := len(choose(slices.Concat(large, many[:3]))), 3+MaxTotal/len(large[0]); got > want || got < want-1 {
		t.Errorf("%d large inputs are kept, want %d", got, want)
	}
	if got := choose([]string{many[0], "string(\"" + strings.Repeat("x", MaxInput) + "\")\n"}); len(got) != 1 {
		t.Errorf("%d inputs are kept, want that which is small enough", len(got))
	}
}

func TestWhatIsNoInputIsNotPacked(t *testing.T) {
	name := filepath.Join(t.TempDir(), "A.gz")
	if _, err := Pack(name, leave(t, "string(\"a\")\n", "gopher\n")); err == nil {
		t.Error("Pack took it")
	}
	if _, err := os.Stat(name); err == nil {
		t.Error("there is a corpus")
	}
}

// A recorder is a fuzzer that keeps its seeds.
type recorder struct {
	name  string
	seeds [][]any
	fatal []any
}

func (r *recorder) Name() string      { return r.name }
func (r *recorder) Add(args ...any)   { r.seeds = append(r.seeds, args) }
func (r *recorder) Fatal(args ...any) { r.fatal = args }

func TestFuzzersGetWhatIsKept(t *testing.T) {
	t.Chdir(t.TempDir())
	name := filepath.Join(Folder, "FuzzX"+Suffix)
	mustPack(t, name, leave(t, "string(\"a\")\nuint64(7)\n", "string(\"\")\nuint64(0)\n"))
	x := recorder{name: "FuzzX"}
	Seed(&x)
	if want := [][]any{{"", uint64(0)}, {"a", uint64(7)}}; x.fatal != nil || !reflect.DeepEqual(x.seeds, want) {
		t.Errorf("got %v (%v), want %v", x.seeds, x.fatal, want)
	}
	none := recorder{name: "FuzzY"}
	if Seed(&none); none.fatal != nil || none.seeds != nil {
		t.Errorf("without a file: %v, %v", none.seeds, none.fatal)
	}
	if err := os.WriteFile(name, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	spoiled := recorder{name: "FuzzX"}
	if Seed(&spoiled); spoiled.fatal == nil {
		t.Error("a spoiled file is taken for none")
	}
}
