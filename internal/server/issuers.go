package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/knadh/koanf/parsers/yaml"

	"annal/internal/auth"
)

// maxIssuersFile bounds the file of issuers.
const maxIssuersFile = 1 << 20

// loadIssuers reads the file of issuers whose tokens are trusted (YAML): a list
// under "issuers". No file, no issuers.
func loadIssuers(path string) ([]auth.Issuer, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("oidc-issuers: %w", err)
	}
	if len(text) > maxIssuersFile {
		return nil, fmt.Errorf("oidc-issuers: %s is larger than %d bytes", path, maxIssuersFile)
	}
	values, err := yaml.Parser().Unmarshal(text)
	if err != nil {
		return nil, fmt.Errorf("oidc-issuers: read %s: %w", path, err)
	}
	plain, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("oidc-issuers: read %s: %w", path, err)
	}
	var file struct {
		Issuers []auth.Issuer `json:"issuers"`
	}
	decoder := json.NewDecoder(bytes.NewReader(plain))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("oidc-issuers: %s: %w", path, err)
	}
	return file.Issuers, nil
}

// credentials are the kinds of tokens that are accepted.
func (s *Server) credentials() (auth.Chain, error) {
	list, err := loadIssuers(s.cfg.OIDCIssuers)
	if err != nil {
		return nil, &SettingError{err}
	}
	issuers, err := s.auth.Trust(list, nil)
	if err != nil {
		return nil, &SettingError{fmt.Errorf("oidc-issuers: %s: %w", s.cfg.OIDCIssuers, err)}
	}
	return auth.Chain{s.auth, s.auth.Signed(), issuers}, nil
}
