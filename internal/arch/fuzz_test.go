package arch

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"annal/internal/corpus"
)

// What fuzzing has found is tried again by every run of the tests: each fuzzer
// begins with its corpus, and each corpus has a fuzzer.
func TestEveryFuzzerBeginsWithItsCorpus(t *testing.T) {
	fuzzers := map[string]bool{}
	for _, s := range sources(t) {
		for _, d := range s.ast.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !s.isTest() || !strings.HasPrefix(f.Name.Name, "Fuzz") {
				continue
			}
			fuzzers[path.Join(s.dir(), corpus.Folder, f.Name.Name+corpus.Suffix)] = true
			if !seeds(f) {
				t.Errorf("%s:%d: %s does not call corpus.Seed", s.name, s.line(f.Pos()), f.Name.Name)
			}
		}
	}
	for name := range corpora(t) {
		if !fuzzers[name] {
			t.Errorf("%s: no fuzzer reads it", name)
		}
	}
}

func seeds(f *ast.FuncDecl) (found bool) {
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Seed" {
			pkg, ok := sel.X.(*ast.Ident)
			found = found || ok && pkg.Name == "corpus"
		}
		return true
	})
	return found
}

// maxCorpora is what the corpora may weigh together: they are part of every
// clone.
const maxCorpora = 3 << 20

func TestCorporaAreLight(t *testing.T) {
	total := int64(0)
	for _, size := range corpora(t) {
		total += size
	}
	if total > maxCorpora {
		t.Errorf("the corpora have %d bytes, want at most %d", total, maxCorpora)
	}
}

// corpora returns the size of each corpus by its name.
func corpora(t *testing.T) map[string]int64 {
	t.Helper()
	sizes, seen := map[string]int64{}, map[string]bool{}
	for _, s := range sources(t) {
		if seen[s.dir()] {
			continue
		}
		seen[s.dir()] = true
		files, err := filepath.Glob(filepath.Join(root(t), s.dir(), corpus.Folder, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			sizes[path.Join(s.dir(), corpus.Folder, info.Name())] = info.Size()
		}
	}
	return sizes
}
