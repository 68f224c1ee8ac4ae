package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// module is the module path, as go.mod has it.
const module = "annal"

// A source is one Go file of the project.
type source struct {
	name  string // slash path below the module's root
	ast   *ast.File
	fset  *token.FileSet
	lines int
}

func (s *source) dir() string  { return path.Dir(s.name) }
func (s *source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

func (s *source) line(p token.Pos) int { return s.fset.Position(p).Line }

// root is the module's folder.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatalf("no module in %s: %v", dir, err)
	}
	return dir
}

// walk calls fn for each file of the project that is source or text. Folders
// with a module of their own, built things and data are left out.
func walk(t *testing.T, fn func(name string, content []byte)) {
	t.Helper()
	top := root(t)
	err := filepath.WalkDir(top, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if file != top && skipped(file, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || !textual(d.Name()) {
			return nil
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(top, file)
		fn(filepath.ToSlash(name), content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func skipped(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil || name == ".git" || name == "bin" || name == "testdata" || strings.HasSuffix(name, "-data")
}

// textual reports whether people write such files. Those without an ending are
// scripts.
func textual(name string) bool {
	switch path.Ext(name) {
	case "", ".go", ".md", ".yaml", ".yml", ".sh", ".mod", ".txt", ".html", ".js", ".css":
		return true
	}
	return false
}

// sources parses every Go file.
func sources(t *testing.T) []*source {
	t.Helper()
	var all []*source
	fset := token.NewFileSet()
	walk(t, func(name string, content []byte) {
		if path.Ext(name) != ".go" {
			return
		}
		f, err := parser.ParseFile(fset, name, content, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &source{name: name, ast: f, fset: fset, lines: strings.Count(string(content), "\n")})
	})
	return all
}
