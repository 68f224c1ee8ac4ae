// Package docs is the documentation that a server carries with it, so that what
// it serves always describes the very version that serves it.
package docs

import _ "embed" // for the document below

// OpenAPI is the description of every route (OpenAPI 3.1, YAML).
//
//go:embed openapi.yaml
var OpenAPI string
