package commands

import (
	"strings"

	"github.com/urfave/cli/v2"

	"glance-profile/completion"
	"glance-profile/internal/render"
)

func completionShellCommand(env *Env) *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print the completion script for a shell",
		ArgsUsage: "SHELL",
		Description: "SHELL is " + strings.Join(shellNames(), ", ") + ". For the current shell:\n" +
			"  bash        source <(glance-profile completion bash)\n" +
			"  zsh         source <(glance-profile completion zsh)     # after compinit\n" +
			"  fish        glance-profile completion fish | source\n" +
			"  powershell  glance-profile completion powershell | Out-String | Invoke-Expression\n" +
			"Names of images come from the cloud that the line is for, as last listed: a process in the background lists\n" +
			"them while one types, at most once in some seconds, and keeps names and ids in the folder for caches.",
		Action: func(c *cli.Context) error {
			shell, err := oneArgument(c, "SHELL")
			if err != nil {
				return err
			}
			script, ok := completion.Script(shell)
			if !ok {
				return usagef("no completion for %s; there is one for %s", render.Quoted(shell), strings.Join(shellNames(), ", "))
			}
			_, err = env.Out.Write(script)
			return err
		},
	}
}
