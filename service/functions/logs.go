package functions

import (
	"context"
	"time"

	"countersign/service/functions/runner"
)

// Logs calls yield with every function of an account and Region that has logged, its log
// group, the time of its first line and the bytes that are kept. The group of a function is that of its
// $LATEST; one that is gone has the default one.
func (s *Service) Logs(ctx context.Context, account, region string, yield func(function, group string, first time.Time, bytes int64)) error {
	list, err := s.runner.Logs(account, region)
	if err != nil {
		return err
	}
	for _, l := range list {
		f, err := s.readCached(ctx, account, region, l.Function)
		if err != nil {
			return err
		}
		if f == nil {
			f = &function{Name: l.Function}
		}
		yield(l.Function, f.Latest.logGroup(f), l.First, l.Bytes)
	}
	return nil
}

// ReadLog calls yield with the lines that a function has logged from from on and
// before to, in the order in which they stand in its log, until it answers false.
func (s *Service) ReadLog(_ context.Context, account, region, function string, from, to time.Time, yield func(at time.Time, stream, text string) bool) error {
	return s.runner.ReadLog(account, region, function, from, to, func(l runner.LogLine) bool { return yield(l.At, l.Stream, l.Text) })
}

// DropLog removes what a function has logged where all of a file is older than before.
func (s *Service) DropLog(_ context.Context, account, region, function string, before time.Time) error {
	return s.runner.DropLog(account, region, function, before)
}
