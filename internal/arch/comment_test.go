package arch

import (
	"go/ast"
	"testing"
)

// Every package says what it is and the one idea behind it.
func TestEveryPackageHasAComment(t *testing.T) {
	has := map[string]bool{}
	for _, s := range sources(t) {
		if !s.isTest() {
			has[s.dir()] = has[s.dir()] || s.ast.Doc != nil
		}
	}
	for dir, ok := range has {
		if !ok {
			t.Errorf("%s: the package has no comment", dir)
		}
	}
}

func TestEveryExportedNameHasAComment(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		for _, d := range s.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) && !ordinary(d) {
					t.Errorf("%s:%d: %s has no comment", s.name, s.line(d.Pos()), d.Name.Name)
				}
			case *ast.GenDecl:
				checkSpecs(t, s, d)
			}
		}
	}
}

// checkSpecs wants a comment for each exported name of a declaration; one for a
// whole group of constants or variables will do.
func checkSpecs(t *testing.T, s *source, d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && d.Doc == nil && spec.Doc == nil {
				t.Errorf("%s:%d: %s has no comment", s.name, s.line(spec.Pos()), spec.Name.Name)
			}
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				if name.IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil && !d.Lparen.IsValid() {
					t.Errorf("%s:%d: %s has no comment", s.name, s.line(name.Pos()), name.Name)
				}
			}
		}
	}
}

// ordinary methods do what their name says in all of Go.
func ordinary(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return false
	}
	switch f.Name.Name {
	case "Error", "Unwrap", "String", "Len", "Less", "Swap", "Read", "Write", "Close":
		return true
	}
	return false
}

// exportedReceiver reports whether f is a function, or a method that others can
// see.
func exportedReceiver(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	id := rootOf(f.Recv.List[0].Type)
	return id != nil && id.IsExported()
}
