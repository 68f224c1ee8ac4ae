package server

import (
	"fmt"
	"maps"
	"sort"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"

	"annal/internal/nearest"
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
			return nil, fmt.Errorf("configuration %s: there is no setting %q; the nearest is %q", path, key, nearest.Names(spelling(key), maps.Keys(names), 1)[0])
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

// spelling puts a key as settings are spelled.
func spelling(key string) string { return strings.ToLower(strings.ReplaceAll(key, "_", "-")) }
