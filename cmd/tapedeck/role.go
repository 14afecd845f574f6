package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tapedeck/tui"
)

// role is what an analyst who comes over tapedeck ssh may do. The server sets
// it for the screen that it starts; a screen of one's own login has none, and
// there the system's users and groups decide.
type role string

const (
	viewer  role = "viewer"  // looks: board, charts, alerts, pipeline
	analyst role = "analyst" // asks in SQL, too, edits alert rules, and exports into a folder of his own
	admin   role = "admin"   // may stop the pipeline, too
)

var roles = []role{viewer, analyst, admin}

// roleVariable carries the role to the screen.
const roleVariable = "TAPEDECK_ROLE"

// currentRole is this process's; "" is none. A word that is no role is viewer:
// it was meant to be something.
func currentRole() role {
	word := role(os.Getenv(roleVariable))
	if word == "" || slices.Contains(roles, word) {
		return word
	}
	return viewer
}

// limit takes away what the role may not do.
func (r role) limit(data *tui.Data) {
	if r == viewer {
		data.SQL, data.Queries, data.Models, data.Rules = nil, nil, nil, nil
		if a, ok := data.Alerts.(screenAlerts); ok {
			a.readOnly = true
			data.Alerts = a
		}
	}
}

// editsRules says whether the role may change alert rules.
func (r role) editsRules() bool { return r != viewer }

// exportPath is where a file may be written: anywhere without a role, else
// below exports in the analyst's own home.
func (r role) exportPath(path string) (string, error) {
	if r == "" {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("export: %w", err)
	}
	name := strings.TrimPrefix(path, "~/")
	if !filepath.IsLocal(name) {
		return "", fmt.Errorf("export: %s: over ssh files go into your own folder; give a name such as result.csv", path)
	}
	return filepath.Join(home, "exports", name), nil
}
