package runner

import (
	"path/filepath"
	"slices"
	"strconv"
)

// Reserved names that a function's own configuration may not set ("Defined
// runtime environment variables" in Lambda's developer guide).
var reserved = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
	"AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
	"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
	"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
	"AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
}

// IsReserved reports whether a function's configuration may not set the variable.
func IsReserved(name string) bool { return slices.Contains(reserved, name) }

// mark is what the environment variables of an environment's processes, and of
// no others, have in them: the end of the log stream's name.
func mark(id string) []byte { return []byte("]" + id + "\x00") }

// variables is the process's whole environment: defaults, what the function's
// configuration says, and over both what is reserved.
func (e *environment) variables(tree, api string, credentials [3]string) []string {
	fn, cfg := &e.fn, &e.r.cfg
	v := map[string]string{
		"TZ":              ":UTC",
		"LANG":            "en_US.UTF-8",
		"PATH":            "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
		"LD_LIBRARY_PATH": tree + ":" + filepath.Join(tree, "lib"),
		"TMPDIR":          filepath.Join(e.dir, "tmp"),

		"AWS_XRAY_CONTEXT_MISSING":  "LOG_ERROR",
		"AWS_XRAY_DAEMON_ADDRESS":   "127.0.0.1:2000",
		"AWS_EC2_METADATA_DISABLED": "true", // there is none, and SDKs would wait for it
	}
	if cfg.Endpoint != "" {
		v["AWS_ENDPOINT_URL"] = cfg.Endpoint
	}
	if len(cfg.Roots) > 0 {
		v["SSL_CERT_FILE"] = e.r.rootsFile()
		v["NODE_EXTRA_CA_CERTS"] = e.r.rootsFile()
	}
	for name, value := range fn.Variables {
		v[name] = value
	}
	for _, name := range reserved {
		delete(v, name)
	}
	v["AWS_LAMBDA_RUNTIME_API"] = api
	v["_HANDLER"] = fn.Handler
	v["AWS_LAMBDA_FUNCTION_NAME"] = fn.Name
	v["AWS_LAMBDA_FUNCTION_VERSION"] = fn.Version
	v["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] = strconv.Itoa(fn.Memory)
	v["AWS_LAMBDA_LOG_GROUP_NAME"] = fn.LogGroup
	v["AWS_LAMBDA_LOG_STREAM_NAME"] = e.stream
	v["AWS_LAMBDA_INITIALIZATION_TYPE"] = "on-demand"
	v["AWS_REGION"] = fn.Region
	v["AWS_DEFAULT_REGION"] = fn.Region
	v["LAMBDA_TASK_ROOT"] = tree
	v["LAMBDA_RUNTIME_DIR"] = tree
	if credentials[0] != "" {
		v["AWS_ACCESS_KEY_ID"] = credentials[0]
		v["AWS_SECRET_ACCESS_KEY"] = credentials[1]
		v["AWS_SESSION_TOKEN"] = credentials[2]
	}
	list := make([]string, 0, len(v))
	for name, value := range v {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}
