package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Error("load the AWS configuration", "error", err)
		os.Exit(1)
	}
	p := &provider{
		s3: s3.NewFromConfig(cfg, func(o *s3.Options) {
			// A node's endpoint need not have a name below which buckets resolve.
			o.UsePathStyle = o.BaseEndpoint != nil
		}),
		http: http.DefaultTransport,
		now:  time.Now,
		log:  log,
	}
	lambda.Start(p.handle)
}
