package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	// A function that cannot start makes API Gateway refuse every request.
	fail := func(what string, err error) {
		log.Error(what, "error", err)
		os.Exit(1)
	}
	c, err := parseConfig(os.Getenv)
	if err != nil {
		fail("read the environment", err)
	}
	cfg, err := awsconfig.LoadDefaultConfig(context.Background())
	if err != nil {
		fail("load the AWS configuration", err)
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		// A node's endpoint need not have a name below which buckets resolve.
		o.UsePathStyle = o.BaseEndpoint != nil
	})
	a := newAuthorizer(c, &fetcher{s3: client, http: http.DefaultTransport}, time.Now, log)
	lambda.Start(a.handle)
}
