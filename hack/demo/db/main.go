// Command db is the demo's database: a real MySQL-compatible server, in memory,
// with one table of goods. The server speaks first, as MySQL does.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

const (
	database = "shop"
	table    = "goods"
)

func main() {
	address := ":3306"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, address); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, address string) error {
	provider, err := goods()
	if err != nil {
		return fmt.Errorf("fill the database: %w", err)
	}
	srv, err := server.NewServer(server.Config{Protocol: "tcp", Address: address},
		sqle.NewDefault(provider), sql.NewContext, memory.NewSessionBuilder(provider), nil)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	log.Printf("db serves %s.%s on %s", database, table, address)
	if err := srv.Start(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

func goods() (*memory.DbProvider, error) {
	db := memory.NewDatabase(database)
	db.BaseDatabase.EnablePrimaryKeyIndexes()
	provider := memory.NewDBProvider(db)
	session := memory.NewSession(sql.NewBaseSession(), provider)
	ctx := sql.NewContext(context.Background(), sql.WithSession(session))
	t := memory.NewTable(db, table, sql.NewPrimaryKeySchema(sql.Schema{
		{Name: "name", Type: types.Text, Source: table, PrimaryKey: true},
		{Name: "price", Type: types.Int64, Source: table},
	}), db.GetForeignKeyCollection())
	db.AddTable(table, t)
	for _, row := range []sql.Row{
		sql.NewRow("anvil", int64(120)),
		sql.NewRow("bellows", int64(80)),
		sql.NewRow("tongs", int64(15)),
	} {
		if err := t.Insert(ctx, row); err != nil {
			return nil, err
		}
	}
	return provider, nil
}
