package server

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
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
			continue
		}
		if err := asFlag(values, key); err != nil {
			return nil, fmt.Errorf("configuration %s: %s: %w", path, key, err)
		}
	}
	return values, nil
}

// asFlag puts the value of a key as the flag of that name spells it, so that
// both are read, and refused, by the same rules: 5 is no time, 2026 is a folder.
func asFlag(values map[string]any, key string) error {
	list, ok := values[key].([]any)
	if !ok {
		values[key] = fmt.Sprint(values[key])
		return nil
	}
	if !isList(key) {
		return errors.New("one value is expected, not a list")
	}
	for i, v := range list {
		list[i] = fmt.Sprint(v)
	}
	return nil
}

// isList reports whether a setting has several values.
func isList(name string) bool {
	for _, s := range Settings() {
		if _, ok := reflect.Zero(reflect.TypeFor[Config]().Field(s.index).Type).Interface().([]string); ok && s.Name == name {
			return true
		}
	}
	return false
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
