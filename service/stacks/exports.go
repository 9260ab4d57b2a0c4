package stacks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// An exportError is an export that cannot be what the template says.
type exportError struct{ text string }

func (e *exportError) Error() string { return e.text }

// publishExports adds to a batch what the stack exports and imports from now on.
// Exports that are imported must stay as they are.
func (x *execution) publishExports(ctx context.Context, k *stack, b *store.Batch) error {
	old, err := x.s.exportsOf(ctx, k)
	if err != nil {
		return err
	}
	wanted := map[string]string{}
	for _, o := range k.Outputs {
		if o.Export != "" {
			wanted[o.Export] = o.Value
		}
	}
	for name, value := range wanted {
		key := exportKey(k.Account, k.Region, name)
		have, revision, err := load[export](ctx, x.s, kindExport, key)
		switch {
		case errors.Is(err, store.ErrNotFound):
			revision = 0
		case err != nil:
			return err
		case have.Stack != k.arn():
			return &exportError{fmt.Sprintf("Export with name %s is already exported by stack %s. Rule: export names must be unique in an account and Region", name, have.Stack)}
		case have.Value == value:
			continue
		default:
			if user, err := x.s.importer(ctx, k, name); err != nil {
				return err
			} else if user != "" {
				return &exportError{fmt.Sprintf("Export %s cannot be updated as it is in use by %s", name, user)}
			}
		}
		b.Replace(kindExport, key, encode(export{Stack: k.arn(), Name: name, Value: value}), revision)
	}
	for _, name := range old {
		if _, still := wanted[name]; still {
			continue
		}
		if user, err := x.s.importer(ctx, k, name); err != nil {
			return err
		} else if user != "" {
			return &exportError{fmt.Sprintf("Export %s cannot be deleted as it is in use by %s", name, user)}
		}
		b.Delete(kindExport, exportKey(k.Account, k.Region, name))
	}
	imported, err := x.s.importsOf(ctx, k)
	if err != nil {
		return err
	}
	for _, name := range imported {
		if _, still := x.imports[name]; !still {
			b.Delete(kindImport, importKey(k.Account, k.Region, name, k.ID))
		}
	}
	for name, revision := range x.imports {
		b.Check(kindExport, exportKey(k.Account, k.Region, name), revision)
		b.Put(kindImport, importKey(k.Account, k.Region, name, k.ID), []byte(k.Name))
	}
	return nil
}

// exportsOf lists the names that a stack exports now.
func (s *Service) exportsOf(ctx context.Context, k *stack) ([]string, error) {
	list, err := s.exports(ctx, k.Account, k.Region)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range list {
		if e.Stack == k.arn() {
			names = append(names, e.Name)
		}
	}
	return names, nil
}

func (s *Service) exports(ctx context.Context, account, region string) ([]export, error) {
	records, err := s.Store.List(ctx, kindExport, exportKey(account, region, ""), "", 0)
	if err != nil {
		return nil, fmt.Errorf("list exports: %w", err)
	}
	out := make([]export, 0, len(records))
	for _, r := range records {
		e, err := decode[export](r)
		if err != nil {
			return nil, err
		}
		out = append(out, *e)
	}
	return out, nil
}

// importers are the names of the stacks that import an export.
func (s *Service) importers(ctx context.Context, account, region, name string) ([]string, error) {
	records, err := s.Store.List(ctx, kindImport, importKey(account, region, name, ""), "", 0)
	if err != nil {
		return nil, fmt.Errorf("list the importers of %s: %w", name, err)
	}
	var out []string
	for _, r := range records {
		out = append(out, string(r.Value))
	}
	return out, nil
}

// importer is one stack that imports an export of k's; "" if there is none.
func (s *Service) importer(ctx context.Context, k *stack, name string) (string, error) {
	users, err := s.importers(ctx, k.Account, k.Region, name)
	if err != nil || len(users) == 0 {
		return "", err
	}
	return users[0], nil
}

// importerOf is a stack that imports something of k's.
func (s *Service) importerOf(ctx context.Context, k *stack) (user, name string, err error) {
	names, err := s.exportsOf(ctx, k)
	if err != nil {
		return "", "", err
	}
	for _, name := range names {
		if user, err := s.importer(ctx, k, name); err != nil || user != "" {
			return user, name, err
		}
	}
	return "", "", nil
}

// importsOf lists the exports that a stack imports.
func (s *Service) importsOf(ctx context.Context, k *stack) ([]string, error) {
	records, err := s.Store.List(ctx, kindImport, k.Account+"/"+k.Region+"/", "", 0)
	if err != nil {
		return nil, fmt.Errorf("list imports: %w", err)
	}
	var names []string
	for _, r := range records {
		rest, mine := strings.CutSuffix(r.Key, "//"+k.ID)
		if mine {
			names = append(names, strings.TrimPrefix(rest, k.Account+"/"+k.Region+"/"))
		}
	}
	return names, nil
}

// ListExports lists the exports of the account in this Region.
func (s *Service) ListExports(ctx context.Context, in *cloudformation.ListExportsInput) (*cloudformation.ListExportsOutput, error) {
	c := call.From(ctx)
	list, err := s.exports(ctx, c.Account, c.Region)
	if err != nil {
		return nil, err
	}
	list, next, err := page(list, func(e export) string { return e.Name }, in.NextToken, 100)
	if err != nil {
		return nil, err
	}
	out := &cloudformation.ListExportsOutput{Exports: []types.Export{}, NextToken: next}
	for _, e := range list {
		out.Exports = append(out.Exports, types.Export{ExportingStackId: &e.Stack, Name: &e.Name, Value: &e.Value})
	}
	return out, nil
}

// ListImports lists the stacks that import an export.
func (s *Service) ListImports(ctx context.Context, in *cloudformation.ListImportsInput) (*cloudformation.ListImportsOutput, error) {
	c, name := call.From(ctx), aws.ToString(in.ExportName)
	if _, _, err := load[export](ctx, s, kindExport, exportKey(c.Account, c.Region, name)); errors.Is(err, store.ErrNotFound) {
		return nil, invalid("Export '%s' does not exist", name)
	} else if err != nil {
		return nil, err
	}
	users, err := s.importers(ctx, c.Account, c.Region, name)
	if err != nil {
		return nil, err
	}
	if len(users) == 0 {
		return nil, invalid("Export '%s' is not imported by any stack.", name)
	}
	slices.Sort(users)
	users, next, err := page(users, func(u string) string { return u }, in.NextToken, 100)
	if err != nil {
		return nil, err
	}
	return &cloudformation.ListImportsOutput{Imports: users, NextToken: next}, nil
}
