package commands

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/audit"
	"glance-profile/internal/policy"
	"glance-profile/internal/render"
	"glance-profile/internal/spelling"
)

// ruleColumns are those of audit rules.
var ruleColumns = []string{"rule", "severity", "kind", "title"}

func auditRulesCommand(env *Env) *cli.Command {
	return &cli.Command{
		Name:        "rules",
		Usage:       "list the rules of audit",
		Description: "With --policy, the rules that a policy selects, with the severity that it gives them, and its own.",
		Flags:       append([]cli.Flag{policyFlag()}, outputFlags(render.KindList)...),
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usagef("audit rules takes no arguments; one rule is explained by audit explain RULE")
			}
			output, err := readOutput(c, env, render.KindList, ruleColumns)
			if err != nil {
				return err
			}
			p, err := readPolicy(c, env)
			if err != nil {
				return err
			}
			var rows [][]any
			for _, r := range p.Weigh(audit.Rules()) {
				rows = append(rows, []any{r.ID, r.Severity.String(), string(kindOf(r)), r.Title})
			}
			return asUsage(render.List(env.Out, ruleColumns, rows, output))
		},
	}
}

// kindOf is a rule's kind; the demands of a policy have none of their own.
func kindOf(r audit.Rule) audit.Kind {
	if r.Kind == "" {
		return audit.OnPolicy
	}
	return r.Kind
}

func auditExplainCommand(env *Env) *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "explain a rule of audit: why there is one, and what mends it",
		ArgsUsage: "RULE",
		Flags:     append([]cli.Flag{policyFlag()}, outputFlags(render.KindShow)...),
		Action: func(c *cli.Context) error {
			id, err := oneArgument(c, "RULE")
			if err != nil {
				return err
			}
			output, err := readOutput(c, env, render.KindShow, ruleRecord(audit.Rule{}).Names())
			if err != nil {
				return err
			}
			p, err := readPolicy(c, env)
			if err != nil {
				return err
			}
			rules := p.Weigh(audit.Rules())
			i := slices.IndexFunc(rules, func(r audit.Rule) bool { return r.ID == id })
			if i < 0 {
				return unknownRule(id, rules)
			}
			if output.Format == render.FormatTable && len(output.Columns) == 0 {
				return explainRule(env.Out, rules[i])
			}
			return asUsage(render.Show(env.Out, ruleRecord(rules[i]), output))
		},
	}
}

// auditPolicyCommand prints policies, which are the best explanation of what one
// can hold.
func auditPolicyCommand(env *Env) *cli.Command {
	return &cli.Command{
		Name:      "policy",
		Usage:     "print an embedded policy, to start a policy of your own from: " + list(policy.Embedded()),
		ArgsUsage: "NAME",
		Action: func(c *cli.Context) error {
			name, err := oneArgument(c, "NAME, that of the policy")
			if err != nil {
				return err
			}
			text, err := policy.Source(name)
			if err != nil {
				return err
			}
			_, err = env.Out.Write(text)
			return err
		},
	}
}

func unknownRule(id string, rules []audit.Rule) error {
	var ids []string
	for _, r := range rules {
		ids = append(ids, r.ID)
	}
	if slices.Contains(ruleIDs(), id) {
		return fmt.Errorf("rule %s: the policy leaves it out", render.Quoted(id))
	}
	return fmt.Errorf("no rule %s%s; see glance-profile audit rules", render.Quoted(id), spelling.Hint(id, ids))
}

func ruleRecord(r audit.Rule) render.Record {
	return render.Record{
		{Name: "rule", Value: r.ID}, {Name: "severity", Value: r.Severity.String()}, {Name: "kind", Value: string(kindOf(r))}, {Name: "title", Value: r.Title},
		{Name: "why", Value: known(r.Why)}, {Name: "example", Value: known(r.Example)}, {Name: "mend", Value: known(r.Mend)}, {Name: "reference", Value: known(r.Reference)},
	}
}

// explainRule writes what is known of a rule for people.
func explainRule(w io.Writer, r audit.Rule) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s, on %s)\n  %s\n", r.ID, r.Severity, kindOf(r), r.Title)
	for _, part := range []struct{ head, text string }{{"Why", r.Why}, {"Example", r.Example}, {"Mend", r.Mend}, {"Reference", r.Reference}} {
		if part.text != "" {
			fmt.Fprintf(&b, "\n%s\n  %s\n", part.head, part.text)
		}
	}
	_, err := io.WriteString(w, render.SafeLines(b.String()))
	return err
}
