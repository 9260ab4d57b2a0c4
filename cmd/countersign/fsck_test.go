package main

import (
	"database/sql"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

func damage(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, "damage dir sql")
	db, err := sql.Open("sqlite", filepath.Join(ts.MkAbs(args[0]), "countersign.db"))
	ts.Check(err)
	defer db.Close()
	result, err := db.Exec(args[1])
	ts.Check(err)
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		ts.Fatalf("%s changed nothing (%v)", args[1], err)
	}
}
