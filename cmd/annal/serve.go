package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"annal/internal/server"
)

type serveCmd struct {
	ConfigFile  string `name:"config" env:"ANNAL_CONFIG" placeholder:"FILE" help:"Settings by name as YAML."`
	PrintConfig bool   `help:"Print every setting, its value and where that comes from, and stop. The output can serve as a file."`
	NewState    bool   `help:"Begin anew what the data folder has lost of state.db and forward.db with their keys: with a new admin token, and without users, policies or destinations. For one start."`

	server.Config
}

// Help shows examples.
func (serveCmd) Help() string {
	return `Every setting can be given as a flag, as an environment variable (ANNAL_ and its name in capitals, such as
ANNAL_LOG_FORMAT) and in a file; a flag wins over the environment, the environment over the file.

Examples:
  annal serve --data /var/lib/annal --listen 127.0.0.1:8080
  annal serve --config /etc/annal.yaml --print-config`
}

// Run serves until the process is told to stop.
func (s *serveCmd) Run(ctx context.Context, e *env, from *settings) error {
	if from.err != nil {
		return &usageError{from.err}
	}
	if err := s.Config.Check(); err != nil {
		return err
	}
	if s.PrintConfig {
		return s.print(e, from)
	}
	log, err := server.NewLogger(s.Config, e.err)
	if err != nil {
		return &usageError{err}
	}
	deps := e.server
	deps.Logger, deps.Greeting, deps.Version, deps.NewState = log, e.err, version, s.NewState
	running, err := server.Open(s.Config, deps)
	if err != nil {
		return err
	}
	return running.Serve(ctx)
}

func (s *serveCmd) print(e *env, from *settings) error {
	for _, setting := range server.Settings() {
		line := fmt.Sprintf("%s: %s", setting.Name, yamlValue(setting.Value(&s.Config)))
		if setting.Secret && setting.Value(&s.Config) != "" {
			line = "# " + line
		}
		if _, err := fmt.Fprintf(e.out, "%-40s # %s\n", line, from.source(setting.Name)); err != nil {
			return err
		}
	}
	return nil
}

// yamlValue quotes what YAML would not take for a plain value.
func yamlValue(s string) string {
	if s == "" || strings.ContainsAny(s, "#'\"{}&*!|>%@`,\n") || strings.Contains(s, ": ") || strings.TrimSpace(s) != s {
		if !strings.HasPrefix(s, "[") {
			return fmt.Sprintf("%q", s)
		}
	}
	return s
}

// settings resolve what the command line leaves open: from the environment,
// else from the configuration file. They remember where each value came from.
type settings struct {
	loaded bool
	file   map[string]any
	name   string // of the file
	origin map[string]string
	err    error // what is wrong with the file
}

// Validate has nothing to check: the file is read when its name is known.
func (s *settings) Validate(*kong.Application) error { return nil }

// Resolve finds the value of a setting that is no flag on the command line.
func (s *settings) Resolve(ctx *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	i := slices.IndexFunc(server.Settings(), func(t server.Setting) bool { return t.Name == flag.Name })
	if parent.Node() == nil || parent.Node().Name != "serve" || i < 0 {
		return nil, nil
	}
	setting := server.Settings()[i]
	s.load(ctx)
	if v, ok := os.LookupEnv(setting.Env); ok {
		s.origin[setting.Name] = "environment, " + setting.Env
		return v, nil
	}
	if v, ok := s.file[setting.Name]; ok {
		s.origin[setting.Name] = "file, " + s.name
		return v, nil
	}
	s.origin[setting.Name] = "default"
	return nil, nil
}

// load reads the file that --config or ANNAL_CONFIG names, once. What is wrong
// with it waits until the command runs: told now, it would pass for a mistake in
// the flag that happened to be resolved first.
func (s *settings) load(ctx *kong.Context) {
	if s.loaded {
		return
	}
	s.loaded, s.origin = true, map[string]string{}
	for _, flag := range ctx.Selected().Flags {
		if flag.Name == "config" {
			s.name, _ = ctx.FlagValue(flag).(string)
		}
	}
	if s.name != "" {
		s.file, s.err = server.LoadFile(s.name)
	}
}

// source says where a setting's value came from.
func (s *settings) source(name string) string {
	if from, ok := s.origin[name]; ok {
		return from
	}
	return "flag"
}
