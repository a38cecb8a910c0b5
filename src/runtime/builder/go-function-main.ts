/** The program that serves a Go function. */
import type { GoFunction } from "../../lib/source/go-source.ts";

/**
 * Its text.
 * @param importPath the function's package; absent: the program is part of that package, which is `main`
 */
export function goFunctionMain(found: GoFunction, importPath: string | undefined): string {
  const name = importPath === undefined ? found.entryPoint : `function.${found.entryPoint}`;
  const own = importPath === undefined ? "" : `\n\tfunction ${JSON.stringify(importPath)}`;
  return found.signature === "http" ? httpMain(name, own) : eventMain(name, own);
}

function httpMain(name: string, own: string): string {
  return `// Written by Elafros. Serves the function over HTTP.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
${own}
)

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	server := &http.Server{Addr: ":" + port, Handler: http.HandlerFunc(${name})}
	ended := make(chan struct{})
	go func() {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
		<-signals
		if err := server.Shutdown(context.Background()); err != nil {
			log.Print(err)
		}
		close(ended)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-ended
}
`;
}

function eventMain(name: string, own: string): string {
  return `// Written by Elafros. Serves the function to CloudEvents.
package main

import (
	"context"
	"log"
	"os"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
${own}
)

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	if err := funcframework.RegisterCloudEventFunctionContext(context.Background(), "/", ${name}); err != nil {
		log.Fatal(err)
	}
	if err := funcframework.Start(port); err != nil {
		log.Fatal(err)
	}
}
`;
}
