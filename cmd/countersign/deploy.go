package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"countersign/deploy"
	"countersign/node"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// A target says where a deployment goes: to a node, or to AWS.
type target struct {
	data, region string
	aws, asJSON  bool
}

const targetHelp = connectionHelp + `

With --aws it is AWS itself, with the credentials and the Region of the usual configuration.`

func (t *target) bind(c *cobra.Command) {
	c.Flags().StringVar(&t.data, "data", "", "the data folder of the node [$COUNTERSIGN_DATA]")
	c.Flags().StringVar(&t.region, "region", "", "AWS Region to work in")
	c.Flags().BoolVar(&t.aws, "aws", false, "work on AWS, not on a node")
	c.Flags().BoolVar(&t.asJSON, "json", false, "print one JSON object a line")
}

// connect gives the configuration of the clients. Region is what to take when no flag says otherwise.
func (t *target) connect(ctx context.Context, region string) (*session, error) {
	region = cmp.Or(t.region, region)
	if t.aws {
		if endpoint := os.Getenv("AWS_ENDPOINT_URL"); endpoint != "" {
			return nil, exitError{statusUsage, fmt.Sprintf("--aws asks for AWS, but AWS_ENDPOINT_URL points at %s: unset it, or leave --aws out", endpoint)}
		}
		var options []func(*config.LoadOptions) error
		if region != "" {
			options = append(options, config.WithRegion(region))
		}
		cfg, err := config.LoadDefaultConfig(ctx, options...)
		if err != nil {
			return nil, err
		}
		if cfg.Region == "" {
			return nil, exitError{statusUsage, "no Region is configured: name one with --region"}
		}
		return &session{config: cfg}, nil
	}
	s := &session{}
	return s, s.connect(t.data, cmp.Or(region, defaultRegion()))
}

func deployCommand() *cobra.Command {
	var t target
	var stack, bucket, certificate, key string
	var parameters, capabilities, tags []string
	var yes, guided bool
	c := &cobra.Command{
		Use:   "deploy [folder or template]",
		Short: "Build a folder with a CloudFormation or SAM template and deploy it as a stack",
		Long: `Build what a template points at, upload it, and bring a stack to what the template says: here, or
on AWS. Functions whose CodeUri is a Go program are compiled for the runtime, other folders are zipped.
The change set is shown before it is carried out, then each resource as it happens.

The same folder deploys with 'sam build && sam deploy'.` + "\n" + targetHelp,
		Example: `  countersign deploy templates/http-api --stack api --parameter DomainName=api.example.test --parameter HostedZoneId=Z0123456789
  countersign deploy --guided                 ask for what is needed, and remember the answers
  countersign deploy --yes --json             in scripts: no question, one JSON object a line
  countersign deploy --aws --region eu-west-1`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return exitError{statusUsage, fmt.Sprintf("deploy takes one folder, not %d\nRun 'countersign deploy --help' for an example.", len(args))}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := fromEnvironment(c); err != nil {
				return err
			}
			path := "."
			if len(args) == 1 {
				path = args[0]
			}
			folder, err := deploy.Open(path)
			if err != nil {
				return err
			}
			settings, err := deploy.ReadSettings(folder.Template)
			if err != nil {
				return err
			}
			given, err := pairs("--parameter", parameters)
			if err != nil {
				return err
			}
			labels, err := pairs("--tag", tags)
			if err != nil {
				return err
			}
			settings.Stack = cmp.Or(stack, settings.Stack, stackNameOf(folder.Template))
			settings.Bucket = cmp.Or(bucket, settings.Bucket)
			settings.Region = cmp.Or(t.region, settings.Region)
			if len(capabilities) > 0 {
				settings.Capabilities = capabilities
			}
			if settings.Parameters == nil {
				settings.Parameters = map[string]string{}
			}
			maps.Copy(settings.Parameters, given)
			p := &progress{out: c.OutOrStdout(), palette: colours(c.OutOrStdout()), json: t.asJSON, live: isTerminal(c.OutOrStdout()) && !t.asJSON}
			secret, a := map[string]string{}, newAsker(c)
			if guided {
				if err := a.ask(c.Context(), folder, &settings, secret); err != nil {
					return err
				}
			}
			s, err := t.connect(c.Context(), settings.Region)
			if err != nil {
				return err
			}
			arguments := maps.Clone(settings.Parameters)
			maps.Copy(arguments, secret)
			o := deploy.Options{Stack: settings.Stack, Parameters: arguments, Capabilities: settings.Capabilities, Tags: labels, Bucket: settings.Bucket, Report: p.show}
			if !yes {
				o.Confirm = func(ctx context.Context, plan deploy.Plan) (bool, error) { return a.confirm(ctx) }
			}
			p.heading(fmt.Sprintf("%s → stack %s in %s of %s", folder.Template, settings.Stack, s.config.Region, where(s)))
			out, err := deploy.New(folder, s.config, o).Run(c.Context())
			p.clear()
			switch {
			case errors.Is(err, deploy.ErrDeclined):
				return exitError{1, "nothing was deployed"}
			case err != nil:
				return s.explain(err)
			}
			if t.asJSON {
				return json.NewEncoder(p.out).Encode(map[string]any{"stack": out.Stack, "changed": out.Changed, "outputs": outputMap(out), "domains": out.Domains, "milliseconds": out.Took.Milliseconds()})
			}
			p.outcome(s, out, certificate, key)
			return nil
		},
	}
	t.bind(c)
	f := c.Flags()
	f.StringVar(&stack, "stack", "", "name of the stack (default: the folder's name)")
	f.StringArrayVar(&parameters, "parameter", nil, "a parameter of the template, Name=value; may be repeated")
	f.StringArrayVar(&tags, "tag", nil, "a tag of the stack, Key=value; may be repeated (default: keep those it has)")
	f.StringSliceVar(&capabilities, "capabilities", nil, "what the template may do (default CAPABILITY_IAM)")
	f.StringVar(&bucket, "bucket", "", "bucket for artifacts (default: countersign-deploy-<account>-<region>, made when needed)")
	f.StringVar(&certificate, "cert", "client.pem", "client certificate that the printed curl line names")
	f.StringVar(&key, "key", "client.key", "its key, likewise")
	f.BoolVarP(&yes, "yes", "y", false, "deploy without asking")
	f.BoolVar(&guided, "guided", false, "ask for the stack's name and the parameters, and remember the answers in "+deploy.SettingsFile)
	return c
}

func deleteCommand() *cobra.Command {
	var t target
	var yes bool
	var retain []string
	c := &cobra.Command{
		Use:   "delete <stack>",
		Short: "Delete a stack with all its resources",
		Long:  "Delete a stack, and show each resource as it goes. Artifacts that were uploaded for it stay." + "\n" + targetHelp,
		Example: `  countersign delete api
  countersign delete api --yes --retain TrustStoreBucket    of a stack that could not be deleted: leave this resource`,
		Args: oneArgument("the name of a stack"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := fromEnvironment(c); err != nil {
				return err
			}
			s, err := t.connect(c.Context(), "")
			if err != nil {
				return err
			}
			p := &progress{out: c.OutOrStdout(), palette: colours(c.OutOrStdout()), json: t.asJSON, live: isTerminal(c.OutOrStdout()) && !t.asJSON}
			p.heading(fmt.Sprintf("delete stack %s in %s of %s", args[0], s.config.Region, where(s)))
			if !yes {
				sure, err := newAsker(c).confirm(c.Context())
				if err != nil {
					return err
				}
				if !sure {
					return exitError{1, "nothing was deleted"}
				}
			}
			gone, err := deploy.Delete(c.Context(), s.config, args[0], retain, p.show)
			p.clear()
			if err != nil {
				return s.explain(err)
			}
			if !gone && !t.asJSON {
				fmt.Fprintf(p.out, "There is no stack %s.\n", args[0])
			}
			return nil
		},
	}
	t.bind(c)
	c.Flags().BoolVarP(&yes, "yes", "y", false, "delete without asking")
	c.Flags().StringSliceVar(&retain, "retain", nil, "logical ids of resources to leave behind, where a deletion had failed")
	return c
}

// where names what the clients talk to.
func where(s *session) string {
	if s.endpoint == "" {
		return "AWS"
	}
	return s.endpoint
}

func pairs(flag string, list []string) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := map[string]string{}
	for _, text := range list {
		k, v, ok := strings.Cut(text, "=")
		if !ok || k == "" {
			return nil, exitError{statusUsage, fmt.Sprintf("%s %q: want Name=value", flag, text)}
		}
		out[k] = v
	}
	return out, nil
}

var notOfAName = regexp.MustCompile(`[^a-zA-Z0-9]+`)

// stackNameOf is a stack's name after its folder's.
func stackNameOf(template string) string {
	name := strings.TrimLeft(strings.TrimRight(notOfAName.ReplaceAllString(filepath.Base(filepath.Dir(template)), "-"), "-"), "-0123456789")
	return cmp.Or(name, "stack")
}

// An asker puts questions to whoever types.
type asker struct {
	in       *bufio.Reader
	terminal int // its file descriptor; -1: there is none
	out      io.Writer
}

func newAsker(c *cobra.Command) *asker {
	a := &asker{in: bufio.NewReader(c.InOrStdin()), terminal: -1, out: c.ErrOrStderr()}
	if f, ok := c.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		a.terminal = int(f.Fd())
	}
	return a
}

// confirm asks whether to go on. Where nobody answers that is an error, not a no.
func (a *asker) confirm(ctx context.Context) (bool, error) {
	answer, err := a.question(ctx, "Go on? [y/N] ", a.line)
	if errors.Is(err, io.EOF) {
		return false, exitError{statusUsage, "there is nobody to ask: pass --yes to go on without a question"}
	}
	return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes"), err
}

// line reads what is typed, up to the end of the line.
func (a *asker) line() (string, error) {
	text, err := a.in.ReadString('\n')
	if text != "" {
		err = nil
	}
	return strings.TrimSpace(text), err
}

// hidden reads what is typed on a terminal without showing it.
func (a *asker) hidden() (string, error) {
	if a.terminal < 0 || a.in.Buffered() > 0 {
		return a.line()
	}
	text, err := term.ReadPassword(a.terminal)
	fmt.Fprintln(a.out)
	return string(text), err
}

// question puts a question and reads the answer; an interruption ends the waiting.
func (a *asker) question(ctx context.Context, text string, answer func() (string, error)) (string, error) {
	if a.terminal >= 0 {
		if before, err := term.GetState(a.terminal); err == nil {
			defer func() { _ = term.Restore(a.terminal, before) }()
		}
	}
	fmt.Fprint(a.out, text)
	type line struct {
		text string
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := answer()
		read <- line{text, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.out)
		return "", ctx.Err()
	case l := <-read:
		return l.text, l.err
	}
}

// ask fills in the settings, and keeps them. Values that must not be shown are not kept.
func (a *asker) ask(ctx context.Context, folder *deploy.Folder, s *deploy.Settings, secret map[string]string) error {
	put := func(what, current string, read func() (string, error)) (string, error) {
		text := what
		if current != "" {
			text += " [" + current + "]"
		}
		answer, err := a.question(ctx, text+": ", read)
		if errors.Is(err, io.EOF) {
			return "", exitError{statusUsage, "there is nobody to ask: leave --guided out, and give parameters with --parameter"}
		}
		return cmp.Or(answer, current), err
	}
	prompt := func(what, current string) (string, error) { return put(what, current, a.line) }
	var err error
	if s.Stack, err = prompt("Stack name", s.Stack); err != nil {
		return err
	}
	if s.Region, err = prompt("Region", cmp.Or(s.Region, defaultRegion())); err != nil {
		return err
	}
	for _, p := range folder.Parameters() {
		what := "Parameter " + p.Name
		if p.Description != "" {
			what += " (" + strings.TrimSpace(p.Description) + ")"
		}
		current := s.Parameters[p.Name]
		if p.NoEcho {
			answer, err := put(what+", not kept", "", a.hidden)
			if err != nil {
				return err
			}
			if answer != "" {
				secret[p.Name] = answer
			}
			delete(s.Parameters, p.Name)
			continue
		}
		answer, err := prompt(what, cmp.Or(current, p.Default))
		if err != nil {
			return err
		}
		if answer != "" || !p.HasDefault {
			s.Parameters[p.Name] = answer
		}
	}
	path, err := s.Write(folder.Template)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "Kept in %s.\n\n", path)
	return nil
}

// A progress shows what a deployment does, as it happens.
type progress struct {
	out     io.Writer
	palette palette
	json    bool
	live    bool // a line at the bottom tells what is under way
	running []string
	lined   bool
}

func (p *progress) heading(text string) {
	if !p.json {
		fmt.Fprintln(p.out, p.palette.bold(text))
	}
}

func (p *progress) show(v any) {
	if p.json {
		p.encode(v)
		return
	}
	p.clear()
	switch v := v.(type) {
	case deploy.Step:
		fmt.Fprintf(p.out, "  %s %-50s %9s  %s\n", p.palette.green("✓"), v.Name, took(v.Took), p.palette.dim(v.Detail))
	case deploy.Plan:
		p.plan(v)
	case deploy.Event:
		p.event(v)
	}
	if p.live && len(p.running) > 0 {
		text := strings.Join(p.running, ", ")
		if len(text) > 100 {
			text = text[:100] + "…"
		}
		fmt.Fprintf(p.out, "  %s %s", p.palette.dim("…"), text)
		p.lined = true
	}
}

// clear takes the line at the bottom away.
func (p *progress) clear() {
	if p.lined {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.lined = false
	}
}

func took(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func (p *progress) plan(plan deploy.Plan) {
	if len(plan.Changes) == 0 {
		fmt.Fprintln(p.out, "\nNo resource changes; outputs or tags do.")
		return
	}
	fmt.Fprintln(p.out)
	t := newTable(p.out, p.palette)
	for _, c := range plan.Changes {
		action := c.Action
		switch {
		case action == "Add":
			action = p.palette.green("+ add")
		case action == "Remove":
			action = p.palette.red("- remove")
		case strings.HasPrefix(action, "Replace"):
			action = p.palette.red(strings.Replace(strings.ToLower(action), "replace", "± replace", 1))
		default:
			action = p.palette.yellow("~ change")
		}
		t.row("  "+action, c.LogicalID, p.palette.dim(c.Type), p.palette.dim(strings.Join(c.Properties, ", ")))
	}
	_ = t.flush()
	fmt.Fprintln(p.out)
}

func (p *progress) event(e deploy.Event) {
	p.running = slices.DeleteFunc(p.running, func(id string) bool { return id == e.LogicalID })
	stack := e.Type == "AWS::CloudFormation::Stack" && strings.HasSuffix(e.PhysicalID, "") && e.LogicalID != "" && strings.Contains(e.PhysicalID, ":stack/"+e.LogicalID+"/")
	switch {
	case !e.Done() && !stack:
		p.running = append(p.running, e.LogicalID)
	case e.Failed():
		fmt.Fprintf(p.out, "  %s %-34s %-44s %9s\n      %s\n", p.palette.red("✗"), e.LogicalID, p.palette.dim(e.Type), took(e.Took), cmp.Or(e.Reason, e.Status))
	case stack && e.Reason != "" && e.Reason != "User Initiated":
		fmt.Fprintf(p.out, "  %s %s: %s\n", p.palette.yellow("!"), strings.ToLower(strings.ReplaceAll(e.Status, "_", " ")), strings.TrimSpace(e.Reason))
	case e.Done():
		verb := "made"
		switch {
		case strings.HasPrefix(e.Status, "DELETE_SKIPPED"):
			verb = "kept"
		case strings.HasPrefix(e.Status, "DELETE"):
			verb = "deleted"
		case strings.Contains(e.Status, "ROLLBACK"):
			verb = "rolled back"
		case strings.HasPrefix(e.Status, "UPDATE"):
			verb = "changed"
		}
		fmt.Fprintf(p.out, "  %s %-34s %-44s %9s  %s\n", p.palette.green("✓"), e.LogicalID, e.Type, took(e.Took), p.palette.dim(verb))
	}
}

func (p *progress) encode(v any) {
	var line map[string]any
	switch v := v.(type) {
	case deploy.Step:
		line = map[string]any{"step": v.Name, "detail": v.Detail, "milliseconds": v.Took.Milliseconds()}
	case deploy.Plan:
		changes := []map[string]any{}
		for _, c := range v.Changes {
			changes = append(changes, map[string]any{"action": c.Action, "resource": c.LogicalID, "type": c.Type, "properties": c.Properties})
		}
		line = map[string]any{"plan": changes, "new": v.New}
	case deploy.Event:
		line = map[string]any{"resource": v.LogicalID, "type": v.Type, "status": v.Status, "id": v.PhysicalID, "reason": v.Reason, "milliseconds": v.Took.Milliseconds(), "at": v.At.UTC().Format(time.RFC3339Nano)}
	}
	_ = json.NewEncoder(p.out).Encode(line)
}

func outputMap(o *deploy.Outcome) map[string]string {
	out := map[string]string{}
	for _, v := range o.Outputs {
		out[v.Key] = v.Value
	}
	return out
}

func (p *progress) outcome(s *session, o *deploy.Outcome, certificate, key string) {
	if !o.Changed {
		fmt.Fprintln(p.out, "\nThere was nothing to change.")
	} else {
		fmt.Fprintf(p.out, "\nDeployed in %s.\n", took(o.Took))
	}
	if len(o.Outputs) > 0 {
		fmt.Fprintln(p.out)
		t := newTable(p.out, p.palette)
		for _, v := range o.Outputs {
			if !strings.Contains(v.Value, "\n") {
				t.row("  "+v.Key, p.palette.bold(v.Value), p.palette.dim(v.Description))
			}
		}
		_ = t.flush()
		for _, v := range o.Outputs {
			if strings.Contains(v.Value, "\n") {
				fmt.Fprintf(p.out, "  %s  %s\n%s\n", v.Key, p.palette.dim(v.Description), strings.TrimSuffix(v.Value, "\n"))
			}
		}
	}
	for _, domain := range o.Domains {
		fmt.Fprintf(p.out, "\n%s\n  %s\n", p.palette.dim("# a call with a client certificate"), curlLine(s, domain, certificate, key))
	}
}

// curlLine is a call of an mTLS domain that works when pasted. On a node it names the
// local root, and leads to the gateway's port without a resolver.
func curlLine(s *session, domain, certificate, key string) string {
	client := fmt.Sprintf("--cert %s --key %s", shellQuote(certificate), shellQuote(key))
	if s.endpoint == "" {
		return fmt.Sprintf("curl %s https://%s/", client, domain)
	}
	gateway, root := os.Getenv("COUNTERSIGN_GATEWAY"), os.Getenv("COUNTERSIGN_CACERT")
	if s.data != "" {
		if e, err := node.ReadEndpoints(s.data); err == nil {
			gateway, root = dialable(e.Gateway), e.CACert
		}
	}
	host, port, err := net.SplitHostPort(gateway)
	if err != nil {
		return fmt.Sprintf("curl --cacert \"$COUNTERSIGN_CACERT\" --connect-to \"::$COUNTERSIGN_GATEWAY\" %s https://%s/", client, domain)
	}
	return fmt.Sprintf("curl --cacert %s --resolve %s:%s:%s %s https://%s:%s/", shellQuote(root), domain, port, host, client, domain, port)
}
