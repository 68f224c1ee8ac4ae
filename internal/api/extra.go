package api

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// extraText returns the text that extra, a canonical JSON object, has as its
// member name; "" when it has none.
func extraText(extra, name string) string {
	if !strings.Contains(extra, `"`+name+`":"`) {
		return ""
	}
	d := jsontext.NewDecoder(strings.NewReader(extra))
	if _, err := d.ReadToken(); err != nil {
		return ""
	}
	for d.PeekKind() == '"' {
		member, err := d.ReadToken()
		if err != nil {
			return ""
		}
		if found := member.String() == name; found && d.PeekKind() == '"' {
			value, err := d.ReadToken()
			if err != nil {
				return ""
			}
			return value.String()
		}
		if err := d.SkipValue(); err != nil {
			return ""
		}
	}
	return ""
}
