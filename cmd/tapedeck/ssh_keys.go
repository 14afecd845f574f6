package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// member is who a key belongs to and what he may do.
type member struct {
	name string
	role role
}

// A member's name is a folder's name, too.
var memberName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)

// members are the keys of an authorized_keys file: the role as an option, the
// name as the comment up to an @.
//
//	role=analyst ssh-ed25519 AAAA… alice@desk7
//
// A line without a role is a viewer's. Any other option, a name that is none,
// and a name with two roles are errors: who can log in must be plain to read.
type members map[string]member // by the key's bytes

func readMembers(path string) (members, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the keys: %w", err)
	}
	m, err := parseMembers(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func parseMembers(data []byte) (members, error) {
	m := members{}
	byName := map[string]role{}
	number := 0
	for line := range bytes.Lines(data) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, comment, options, _, err := ssh.ParseAuthorizedKey(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w; expected: role=analyst ssh-ed25519 AAAA… NAME", number, err)
		}
		who := member{role: viewer}
		who.name, _, _ = strings.Cut(comment, "@")
		if !memberName.MatchString(who.name) {
			return nil, fmt.Errorf("line %d: %q is no name; end the line with one in small letters, such as alice or alice@desk", number, comment)
		}
		for _, option := range options {
			word, ok := strings.CutPrefix(option, "role=")
			who.role = role(strings.Trim(word, `"`))
			if !ok || !slices.Contains(roles, who.role) {
				return nil, fmt.Errorf("line %d: %s is no option; role=viewer, role=analyst and role=admin are", number, option)
			}
		}
		if before, known := byName[who.name]; known && before != who.role {
			return nil, fmt.Errorf("line %d: %s is %s here and %s above", number, who.name, who.role, before)
		}
		byName[who.name] = who.role
		m[string(key.Marshal())] = who
	}
	return m, nil
}
