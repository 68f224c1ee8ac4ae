package server

import (
	"fmt"
	"sort"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// LoadFile reads a configuration file (YAML): settings by name, each with the
// value that the flag of that name would have. A key that is no setting is an
// error that names the nearest one.
func LoadFile(path string) (map[string]any, error) {
	k := koanf.New("/") // no setting has it in its name, so keys stay as they are
	if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", path, err)
	}
	values := k.All()
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	names := settingNames()
	for _, key := range keys {
		if !names[key] {
			return nil, fmt.Errorf("configuration %s: there is no setting %q; the nearest is %q", path, key, nearest(key, names))
		}
		if values[key] == nil {
			delete(values, key)
		}
	}
	return values, nil
}

func settingNames() map[string]bool {
	names := map[string]bool{}
	for _, s := range Settings() {
		names[s.Name] = true
	}
	return names
}

// nearest returns the name that takes the fewest changes to become word.
func nearest(word string, names map[string]bool) string {
	best, fewest := "", len(word)+1000
	for name := range names {
		n := distance(strings.ToLower(strings.ReplaceAll(word, "_", "-")), name)
		if n < fewest || n == fewest && name < best {
			best, fewest = name, n
		}
	}
	return best
}

// distance counts the letters to insert, delete or replace between a and b
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
