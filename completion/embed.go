// Package completion holds the scripts that shells read to complete command
// lines of glance-profile. They only ask the program, which does the thinking
// (internal/complete), and hand its answer on.
package completion

import "embed"

//go:embed glance-profile.bash _glance-profile glance-profile.fish glance-profile.ps1
var files embed.FS

var names = map[string]string{
	"bash": "glance-profile.bash", "zsh": "_glance-profile", "fish": "glance-profile.fish", "powershell": "glance-profile.ps1",
}

// Script returns the script for a shell.
func Script(shell string) ([]byte, bool) {
	name, ok := names[shell]
	if !ok {
		return nil, false
	}
	script, err := files.ReadFile(name)
	return script, err == nil
}
