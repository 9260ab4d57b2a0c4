package secrets

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// The classes of characters that passwords are made of, as
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetRandomPassword.html lists them.
const (
	lowercase   = "abcdefghijklmnopqrstuvwxyz"
	uppercase   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits      = "0123456789"
	punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

// GetRandomPassword makes a password and forgets it.
func (s *Service) GetRandomPassword(_ context.Context, in *secretsmanager.GetRandomPasswordInput) (*secretsmanager.GetRandomPasswordOutput, error) {
	length := 32
	if in.PasswordLength != nil {
		length = int(*in.PasswordLength)
	}
	excluded := aws.ToString(in.ExcludeCharacters)
	kept := func(letters string) string {
		return strings.Map(func(r rune) rune {
			if strings.ContainsRune(excluded, r) {
				return -1
			}
			return r
		}, letters)
	}
	var classes []string // each of which the password has one of, if that is required
	all := ""
	for _, class := range []struct {
		letters string
		out     *bool
	}{{lowercase, in.ExcludeLowercase}, {uppercase, in.ExcludeUppercase}, {digits, in.ExcludeNumbers}, {punctuation, in.ExcludePunctuation}} {
		if letters := kept(class.letters); letters != "" && !aws.ToBool(class.out) {
			classes = append(classes, letters)
			all += letters
		}
	}
	if aws.ToBool(in.IncludeSpace) {
		all += kept(" ")
	}
	if all == "" {
		return nil, invalidParameter("No characters are left to make a password of.")
	}
	password := make([]byte, 0, length)
	if in.RequireEachIncludedType == nil || *in.RequireEachIncludedType {
		if length < len(classes) {
			return nil, invalidParameter("Password length is too short based on the required types.")
		}
		for _, letters := range classes {
			one, err := s.pick(letters, 1)
			if err != nil {
				return nil, err
			}
			password = append(password, one...)
		}
	}
	rest, err := s.pick(all, length-len(password))
	if err != nil {
		return nil, err
	}
	password = append(password, rest...)
	// Those of the required classes must not be known by their place.
	for i := len(password) - 1; i > 0; i-- {
		j, err := s.below(i + 1)
		if err != nil {
			return nil, err
		}
		password[i], password[j] = password[j], password[i]
	}
	return &secretsmanager.GetRandomPasswordOutput{RandomPassword: aws.String(string(password))}, nil
}

// below gives a number from 0 to n-1, each as likely as the others.
func (s *Service) below(n int) (int, error) {
	limit := (1 << 32) - (1<<32)%uint64(n)
	var raw [4]byte
	for {
		if _, err := io.ReadFull(s.rand, raw[:]); err != nil {
			return 0, fmt.Errorf("read randomness: %w", err)
		}
		if r := uint64(binary.BigEndian.Uint32(raw[:])); r < limit {
			return int(r % uint64(n)), nil
		}
	}
}
