package ingest

import (
	"fmt"
	"testing"

	"annal"
)

// TestSecretsAreFoundHoweverOftenTheyCome looks for a secret among texts that
// fill the guard's memory of clean ones, again and again.
func TestSecretsAreFoundHoweverOftenTheyCome(t *testing.T) {
	g := NewGuard(GuardConfig{})
	for round := range 3 {
		for i := range 2 * cleanPlaces {
			clean := fmt.Sprintf("environments/production/service-%d/key", i)
			s := clean
			if flags := g.cleanField(annal.ResourcePath, &s, nil); len(flags) > 0 || s != clean {
				t.Fatalf("round %d: %q became %q", round, clean, s)
			}
		}
		for range 3 {
			s := "backup/ghp_0123456789abcdefghijABCDEFGHIJ012345"
			if flags := g.cleanField(annal.ResourcePath, &s, nil); len(flags) != 1 {
				t.Fatalf("round %d: a token passed as %q", round, s)
			}
		}
	}
}
