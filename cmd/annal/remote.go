package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"annal"
	"annal/client"
)

// remote says which server to ask, and as whom.
type remote struct {
	Server string `env:"ANNAL_SERVER" default:"http://127.0.0.1:8080" placeholder:"URL" help:"The server." group:"Server:"`
	Token  string `env:"ANNAL_TOKEN" placeholder:"TOKEN" help:"The token." group:"Server:"`
	Tenant string `env:"ANNAL_TENANT" placeholder:"ID" help:"The tenant, for tokens that have rights over several." group:"Server:"`
	Data   string `placeholder:"DIR" help:"Without a token, use the admin token in this server's data folder." group:"Server:"`
}

// client returns a client that tells the person once that it has to try again.
func (r *remote) client(e *env) (*client.Client, error) { return r.clientTrying(e, commandRetries) }

func (r *remote) clientTrying(e *env, retries int) (*client.Client, error) {
	token := r.Token
	if token == "" && r.Data != "" {
		var err error
		if token, err = adminToken(r.Data); err != nil {
			return nil, err
		}
	}
	told := false
	c, err := client.New(client.Config{
		Server: r.Server, Token: token, Tenant: r.Tenant, UserAgent: "annal/" + version,
		Retries: retries,
		Retrying: func(cause error, _ time.Duration) {
			if !told {
				fmt.Fprintf(e.err, "annal: %v; trying again\n", cause)
			}
			told = true
		},
	})
	if err != nil {
		return nil, &usageError{err}
	}
	return c, nil
}

// incomplete returns what tells the person once that an answer lacks events. The
// exit code does not: the answer is all that the log has.
func (e *env) incomplete() func(annal.Gaps) {
	said := ""
	return func(missing annal.Gaps) {
		if s := missing.String(); s != said {
			fmt.Fprintf(e.err, "annal: this answer is incomplete, for a part of the server's log is lost: %s\n", s)
			said = s
		}
	}
}

const (
	// commandRetries keeps a person from waiting long for a server that is not
	// there: two or three seconds.
	commandRetries = 5
	// followRetries lets a server that is followed be away for some minutes.
	followRetries = 60
)

// adminToken is what "annal serve" left in its data folder on first start.
func adminToken(data string) (string, error) {
	name := filepath.Join(data, "admin-token")
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", usage("%s is not there: \"annal serve\" writes it when it begins a data folder", name)
	}
	return strings.TrimSpace(string(b)), err
}
