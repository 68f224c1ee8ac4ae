package server

import (
	"fmt"
	"io"
	"log/slog"
)

// NewLogger returns the logger that cfg asks for. What annal logs never holds a
// token or the content of an event.
func NewLogger(cfg Config, w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		return nil, fmt.Errorf("log-level: %q is none of debug, info, warn, error", cfg.LogLevel)
	}
	options := &slog.HandlerOptions{Level: level}
	switch cfg.LogFormat {
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	}
	return nil, fmt.Errorf("log-format: %q is none of text, json", cfg.LogFormat)
}
